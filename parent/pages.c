/* SPDX-License-Identifier: MIT */
#include "parent/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "parent/mapped.h"

struct pages {
	struct page_source source;
	pid_t twin;
	int twin_fd, mem_fd, exe_fd, shared_fd;
	const struct image *image;
	struct image_run *shared_runs;
	uint64_t *shared_pages; /* where each run starts in shared_fd */
	uint32_t nr_shared_runs;
};

/* A piece of a request that has one answer. */
struct piece {
	uint64_t raddr;
	uint8_t *to;
	size_t len_bytes;
};

static int read_file(int fd, uint64_t offset, void *to, size_t len_bytes,
		     size_t *ret_len)
{
	size_t done = 0;

	while (done < len_bytes) {
		ssize_t got = pread(fd, (char *)to + done, len_bytes - done,
				    (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -EIO;
		if (!got)
			break;
		done += (size_t)got;
	}
	*ret_len = done;
	return 0;
}

static int read_exe(const struct pages *pages, const struct piece *piece)
{
	size_t got;
	int rc;

	if (pages->exe_fd < 0 || piece->raddr > INT64_MAX - piece->len_bytes)
		return -EINVAL;
	rc = read_file(pages->exe_fd, piece->raddr, piece->to, piece->len_bytes,
		       &got);
	if (!rc)
		memset(piece->to + got, 0, piece->len_bytes - got);
	return rc;
}

/* @fd was opened while the twin lived; only then it is the right file. */
static int read_opened(int fd, const struct image_mapped *mapped,
		       const struct piece *piece)
{
	size_t got = 0;
	int rc = 0;

	if (!mapped_is_same(fd, mapped))
		return -EREMCHG;
	if (piece->raddr < mapped->size_bytes)
		rc = read_file(fd, piece->raddr, piece->to, piece->len_bytes,
			       &got);
	if (rc)
		return rc;
	memset(piece->to + got, 0, piece->len_bytes - got);
	return mapped_is_same(fd, mapped) ? 0 : -EREMCHG;
}

/* A pidfd is readable once its process is dead, reaped or not. */
static bool is_alive(const struct pages *pages)
{
	struct pollfd pollfd = {.fd = pages->twin_fd, .events = POLLIN};

	return poll(&pollfd, 1, 0) == 0;
}

/* Opened each time: the daemon holds no file of any image open. */
static int read_mapped(const struct pages *pages, uint32_t index,
		       const struct piece *piece)
{
	const struct image *image = pages->image;
	const struct image_mapped *mapped;
	CLEANUP_CLOSE int fd = -1;
	int rc;

	if (index >= image->nr_mapped)
		return -EINVAL;
	mapped = &image->mapped[index];
	if (mapped->flags & IMAGE_MAPPED_CLOSED)
		return -EACCES;
	rc = mapped_open(pages->twin, image_vma_at(image, mapped->raddr),
			 O_RDONLY, &fd);
	if (!is_alive(pages))
		return -ESTALE;
	return rc ? -EIO : read_opened(fd, mapped, piece);
}

/*
 * Reads pages without permission too; the file is bound to the twin's memory.
 * process_vm_readv(2) would pin the pages, for which the kernel copies each
 * that the twin shares with the parent: the snapshot would grow by what is read
 * of it (gup_must_unshare(), mm/gup.c).
 */
static ssize_t read_mem(const struct pages *pages, const struct piece *piece)
{
	ssize_t got;

	do {
		got = pread(pages->mem_fd, piece->to, piece->len_bytes,
			    (off_t)piece->raddr);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		return got;
	return got == 0 || !is_alive(pages) ? -ESTALE : -EIO;
}

static int read_twin(const struct pages *pages, struct piece piece)
{
	while (piece.len_bytes) {
		ssize_t got = read_mem(pages, &piece);

		if (got < 0)
			return (int)got;
		piece.raddr += (uint64_t)got;
		piece.to += got;
		piece.len_bytes -= (size_t)got;
	}
	return 0;
}

/* The first shared run that ends after @page, or nr_shared_runs. */
static uint32_t shared_after(const struct pages *pages, uint64_t page)
{
	uint32_t low = 0, high = pages->nr_shared_runs;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct image_run *run = &pages->shared_runs[middle];

		if (run->first_page + run->nr_pages > page)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Shorten @piece to the bytes before @raddr; true when it began before. */
static bool cut_at(struct piece *piece, uint64_t raddr)
{
	if (piece->raddr >= raddr)
		return false;
	if (piece->len_bytes > raddr - piece->raddr)
		piece->len_bytes = raddr - piece->raddr;
	return true;
}

static int read_shared(const struct pages *pages, uint32_t i,
		       const struct piece *piece)
{
	uint64_t start = pages->shared_runs[i].first_page << PAGE_SHIFT;
	uint64_t offset =
		(pages->shared_pages[i] << PAGE_SHIFT) + piece->raddr - start;
	size_t got;
	int rc = read_file(pages->shared_fd, offset, piece->to,
			   piece->len_bytes, &got);

	return !rc && got < piece->len_bytes ? -EIO : rc;
}

/* The longest beginning of @piece, which the image has, with one origin. */
static int read_present(const struct pages *pages, struct piece *piece)
{
	uint32_t i = shared_after(pages, page_of(piece->raddr));
	const struct image_run *run;

	if (i == pages->nr_shared_runs)
		return read_twin(pages, *piece);
	run = &pages->shared_runs[i];
	if (cut_at(piece, run->first_page << PAGE_SHIFT))
		return read_twin(pages, *piece);
	(void)cut_at(piece, (run->first_page + run->nr_pages) << PAGE_SHIFT);
	return read_shared(pages, i, piece);
}

/* As read_present(), or zeros where the image has nothing: S is not asked. */
static int read_some(const struct pages *pages, struct piece *piece)
{
	const struct image_run *run =
		image_run_after(pages->image, page_of(piece->raddr));

	if (!run || cut_at(piece, run->first_page << PAGE_SHIFT)) {
		memset(piece->to, 0, piece->len_bytes);
		return 0;
	}
	(void)cut_at(piece, (run->first_page + run->nr_pages) << PAGE_SHIFT);
	return read_present(pages, piece);
}

static int read_memory(const struct pages *pages, struct piece rest)
{
	while (rest.len_bytes) {
		struct piece piece = rest;
		int rc = read_some(pages, &piece);

		if (rc)
			return rc;
		rest.raddr += piece.len_bytes;
		rest.to += piece.len_bytes;
		rest.len_bytes -= piece.len_bytes;
	}
	return 0;
}

static int pages_read(struct page_source *source, uint32_t object,
		      uint64_t raddr, void *buf, size_t len_bytes)
{
	const struct pages *pages = (const struct pages *)source;
	const struct piece piece = {raddr, buf, len_bytes};

	if (raddr + len_bytes < raddr)
		return -EINVAL;
	if (object == SOURCE_EXE)
		return read_exe(pages, &piece);
	if (object == SOURCE_MEMORY)
		return read_memory(pages, piece);
	return read_mapped(pages, object - SOURCE_MAPPED, &piece);
}

static int copy_table(struct pages *pages, const struct pages_origin *origin)
{
	uint32_t nr = origin->nr_shared_runs;
	uint64_t page = 0;

	pages->shared_runs = calloc(nr + 1, sizeof(*pages->shared_runs));
	pages->shared_pages = calloc(nr + 1, sizeof(*pages->shared_pages));
	if (!pages->shared_runs || !pages->shared_pages)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++) {
		pages->shared_runs[i] = origin->shared_runs[i];
		pages->shared_pages[i] = page;
		page += origin->shared_runs[i].nr_pages;
	}
	pages->nr_shared_runs = nr;
	return 0;
}

static void cleanup_pages(struct pages **pages)
{
	if (*pages)
		pages_close(&(*pages)->source);
}

int pages_open(const struct pages_origin *origin, struct page_source **ret)
{
	CLEANUP(cleanup_pages) struct pages *pages = calloc(1, sizeof(*pages));
	int rc;

	if (!pages)
		return -ENOMEM;
	pages->source.read = pages_read;
	pages->image = origin->image;
	pages->twin = origin->twin;
	pages->mem_fd = pages->exe_fd = pages->shared_fd = -1;
	pages->twin_fd = (int)syscall(SYS_pidfd_open, origin->twin, 0);
	if (pages->twin_fd < 0)
		return errno == ESRCH ? -ESTALE : -errno;
	rc = copy_table(pages, origin);
	if (rc)
		return rc;
	pages->mem_fd = origin->mem_fd;
	pages->exe_fd = origin->exe_fd;
	pages->shared_fd = origin->shared_fd;
	*ret = &steal_ptr(&pages)->source;
	return 0;
}

void pages_close(struct page_source *source)
{
	struct pages *pages = (struct pages *)source;

	if (!pages)
		return;
	cleanup_close(&pages->twin_fd);
	cleanup_close(&pages->mem_fd);
	cleanup_close(&pages->exe_fd);
	cleanup_close(&pages->shared_fd);
	free(pages->shared_runs);
	free(pages->shared_pages);
	free(pages);
}
