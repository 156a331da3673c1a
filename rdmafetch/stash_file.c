/* SPDX-License-Identifier: MIT */
#include "rdmafetch/stash_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "common/page.h"

#define BLOCK_BYTES 512u /* of st_blocks: stat(2) */
#define CHUNK_BYTES (STASH_CHUNK_PAGES * PAGE_BYTES)

static uint64_t data_at(const struct stash_file *file, uint64_t rank)
{
	return stash_data_at(file->head.nr_pages, rank);
}

static int punch(const struct stash_file *file, uint64_t at, uint64_t len)
{
	return fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)at, (off_t)len)
		       ? -errno
		       : 0;
}

static int write_at(int fd, const void *buf, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, buf, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		buf = (const char *)buf + n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

int stash_file_memory(struct stash_file *file)
{
	uint8_t bytes[STASH_HEAD_BYTES];

	file->fd = memfd_create("stash", MFD_CLOEXEC);
	if (file->fd < 0)
		return -errno;
	stash_head_put(bytes, &file->head);
	return pwrite(file->fd, bytes, sizeof(bytes), 0) == sizeof(bytes)
		       ? stash_file_begin(file)
		       : -EIO;
}

int stash_file_reserve(const struct stash_file *file)
{
	if (!fallocate(file->fd, FALLOC_FL_KEEP_SIZE, 0,
		       (off_t)stash_empty_bytes(file->head.nr_pages)))
		return 0;
	return errno == EOPNOTSUPP ? 0 : -errno;
}

int stash_file_begin(struct stash_file *file)
{
	uint64_t end = data_at(file, file->head.nr_pages);

	/* One chunk more, so that every chunk can be punched whole. */
	end = (end + CHUNK_BYTES - 1) / CHUNK_BYTES * CHUNK_BYTES;
	if (ftruncate(file->fd, (off_t)end))
		return -errno;
	file->can_drop = punch(file, end, CHUNK_BYTES) == 0;
	return 0;
}

void stash_file_load(const struct stash_file *file, uint64_t *sums)
{
	size_t len = file->head.nr_pages * sizeof(*sums);

	if (io_pread_all(file->fd, sums, len, STASH_INDEX_AT))
		memset(sums, 0, len);
}

void stash_file_load_used(const struct stash_file *file, uint8_t *bits)
{
	size_t len = stash_used_bytes(file->head.nr_pages);

	if (io_pread_all(file->fd, bits, len,
			 (off_t)stash_used_at(file->head.nr_pages)))
		memset(bits, 0, len);
}

void stash_file_save_used(const struct stash_file *file, const uint8_t *bits)
{
	(void)write_at(file->fd, bits, stash_used_bytes(file->head.nr_pages),
		       stash_used_at(file->head.nr_pages));
}

/* Punch out the pages in [@rank, @end) of which @sums has none. */
static void tidy_extent(const struct stash_file *file, const uint64_t *sums,
			uint64_t rank, uint64_t end)
{
	while (rank < end) {
		uint64_t from = rank;

		while (rank < end &&
		       (rank >= file->head.nr_pages || !sums[rank]))
			rank++;
		if (rank > from)
			(void)punch(file, data_at(file, from),
				    (rank - from) * PAGE_BYTES);
		while (rank < end && rank < file->head.nr_pages && sums[rank])
			rank++;
	}
}

void stash_file_tidy(const struct stash_file *file, const uint64_t *sums)
{
	uint64_t start = data_at(file, 0);
	off_t at = (off_t)start, end;

	while ((at = lseek(file->fd, at, SEEK_DATA)) >= 0) {
		end = lseek(file->fd, at, SEEK_HOLE);
		if (end < 0)
			return;
		tidy_extent(file, sums, page_of((uint64_t)at - start),
			    page_of(page_ceil((uint64_t)end - start)));
		at = end;
	}
}

unsigned stash_file_read(const struct stash_file *file, uint64_t rank,
			 unsigned nr_pages, uint64_t *sums, void *buf)
{
	size_t len = nr_pages * PAGE_BYTES;
	int err = io_pread_all(file->fd, buf, len, (off_t)data_at(file, rank));
	unsigned nr_wrong = 0;

	for (unsigned i = 0; i < nr_pages; i++) {
		const char *page = (const char *)buf + i * PAGE_BYTES;

		if (!err && stash_sum(&file->head, rank + i, page) == sums[i])
			continue;
		sums[i] = 0;
		nr_wrong++;
	}
	return nr_wrong;
}

/* Of an entry that was written, its page is not there. */
static void give_up(const struct stash_file *file, uint64_t rank,
		    unsigned nr_pages)
{
	static const uint64_t none;

	for (unsigned i = 0; i < nr_pages; i++)
		(void)write_at(file->fd, &none, sizeof(none),
			       stash_entry_at(rank + i));
	(void)punch(file, data_at(file, rank), nr_pages * PAGE_BYTES);
}

int stash_file_write(const struct stash_file *file, uint64_t rank,
		     unsigned nr_pages, const void *buf, uint64_t *ret_sums)
{
	size_t len = nr_pages * PAGE_BYTES;
	int err = write_at(file->fd, buf, len, data_at(file, rank));

	for (unsigned i = 0; i < nr_pages; i++)
		ret_sums[i] = stash_sum(&file->head, rank + i,
					(const char *)buf + i * PAGE_BYTES);
	if (!err)
		err = write_at(file->fd, ret_sums, nr_pages * STASH_ENTRY_BYTES,
			       stash_entry_at(rank));
	if (err)
		give_up(file, rank, nr_pages);
	return err;
}

void stash_file_drop(const struct stash_file *file, uint64_t chunk)
{
	static const uint64_t none[STASH_CHUNK_PAGES];
	uint64_t rank = chunk * STASH_CHUNK_PAGES;
	uint64_t nr = file->head.nr_pages - rank;

	if (nr > STASH_CHUNK_PAGES)
		nr = STASH_CHUNK_PAGES;
	(void)write_at(file->fd, none, nr * STASH_ENTRY_BYTES,
		       stash_entry_at(rank));
	(void)punch(file, data_at(file, rank), CHUNK_BYTES);
}

uint64_t stash_file_bytes(const struct stash_file *file)
{
	struct stat st;

	return fstat(file->fd, &st) ? 0 : (uint64_t)st.st_blocks * BLOCK_BYTES;
}

void stash_file_close(struct stash_file *file)
{
	if (file->fd >= 0)
		(void)close(file->fd);
	file->fd = -1;
}
