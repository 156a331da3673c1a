/* SPDX-License-Identifier: MIT */
#include "loader/eager.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "common/page.h"

/* Touched at once; the kernel maps it meanwhile. */
#define PIECE_BYTES (1ul << 20)
/* Asked for before it is touched, so that the link is never idle. */
#define AHEAD_BYTES (8ul << 20)
/* Of one call: the kernel cuts longer ones off at the file's read-ahead. */
#define ASK_BYTES (128ul << 10)

struct file {
	int fd;
	uint64_t shift; /* address less offset */
};

struct way {
	const struct imagedir *dir;
	const struct eager_watch *watch;
	uint64_t done_bytes, all_bytes;
};

/* A stretch of memory that the image has, in one file. */
struct stretch {
	uint64_t start, end, asked; /* addresses; asked for up to there */
};

static void ask(const struct file *file, struct stretch *stretch, uint64_t to)
{
	while (stretch->asked < to) {
		uint64_t left = to - stretch->asked;
		size_t len = left < ASK_BYTES ? left : ASK_BYTES;

		/* It is a hint: what was not heard is fetched by the touch. */
		(void)readahead(file->fd,
				(off64_t)(stretch->asked - file->shift), len);
		stretch->asked += len;
	}
}

static int touch(const struct file *file, uint64_t start, size_t len)
{
	void *map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, file->fd,
			 (off_t)(start - file->shift));
	int error = 0;

	if (map == MAP_FAILED)
		return -errno;
	if (madvise(map, len, MADV_POPULATE_READ))
		error = errno == EFAULT ? -EIO : -errno;
	(void)munmap(map, len);
	return error;
}

static int bring_stretch(struct way *way, const struct file *file,
			 struct stretch *stretch)
{
	for (uint64_t at = stretch->start; at < stretch->end;) {
		uint64_t left = stretch->end - at;
		size_t len = left < PIECE_BYTES ? left : PIECE_BYTES;
		int error;

		ask(file, stretch,
		    left < AHEAD_BYTES ? stretch->end : at + AHEAD_BYTES);
		error = touch(file, at, len);
		if (error)
			return error;
		at += len;
		way->done_bytes += len;
		way->watch->tell(way->watch->arg, way->done_bytes,
				 way->all_bytes);
	}
	return 0;
}

/* What the image has of @vma. */
static int bring_vma(struct way *way, const struct image_vma *vma)
{
	const struct image *image = way->dir->image;
	const struct image_run *run =
		image_run_after(image, page_of(vma->start));
	const struct image_run *end = image->runs + image->nr_runs;
	CLEANUP_CLOSE int fd = -1;
	struct file file;
	int error;

	if (!run || run->first_page << PAGE_SHIFT >= vma->end)
		return 0;
	error = imagedir_open_vma(way->dir, vma, &fd, &file.shift);
	file.fd = fd;
	for (; !error && run < end && run->first_page << PAGE_SHIFT < vma->end;
	     run++) {
		struct stretch stretch = {
			.start = run->first_page << PAGE_SHIFT,
			.end = (run->first_page + run->nr_pages) << PAGE_SHIFT,
		};

		if (stretch.start < vma->start)
			stretch.start = vma->start;
		if (stretch.end > vma->end)
			stretch.end = vma->end;
		stretch.asked = stretch.start;
		error = bring_stretch(way, &file, &stretch);
	}
	return error;
}

int eager_bring(const struct imagedir *dir, const struct eager_watch *watch,
		struct why *why)
{
	const struct image *image = dir->image;
	struct way way = {
		.dir = dir,
		.watch = watch,
		.all_bytes = image_present_pages(image, 0, page_of(UINT64_MAX))
			     << PAGE_SHIFT,
	};
	int error = 0;

	for (uint32_t i = 0; !error && i < image->nr_vmas; i++)
		error = bring_vma(&way, &image->vmas[i]);
	if (error)
		return why_set(why, error,
			       "%s: not every page could be brought: %s",
			       dir->path, strerror(-error));
	return 0;
}
