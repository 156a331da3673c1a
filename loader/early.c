/* SPDX-License-Identifier: MIT */
#include "loader/early.h"

#include <fcntl.h>

#include "common/page.h"

/* Of one call: the kernel cuts longer ones off at the file's read-ahead. */
#define ASK_BYTES (128ul << 10)

/* A FUSE connection has room for 12 requests that nobody waits for. */
#define STACK_BYTES_MAX (512ul << 10)
#define THREADS_MAX	8

static void ask(const struct imagedir *dir, uint64_t start, uint64_t end)
{
	for (; start < end; start += ASK_BYTES) {
		uint64_t left = end - start;

		(void)readahead(dir->space, (off64_t)start,
				left < ASK_BYTES ? left : ASK_BYTES);
	}
}

/* What the image has of a stack, from its top: the rest is for who touches. */
static void ask_for_stack(const struct imagedir *dir,
			  const struct image_vma *vma)
{
	const struct image *image = dir->image;
	uint64_t start = vma->start;
	const struct image_run *run, *end = image->runs + image->nr_runs;

	if (vma->end - start > STACK_BYTES_MAX)
		start = vma->end - STACK_BYTES_MAX;
	run = image_run_after(image, page_of(start));
	for (; run && run < end && run->first_page < page_of(vma->end); run++) {
		uint64_t from = run->first_page << PAGE_SHIFT;
		uint64_t to = from + (run->nr_pages << PAGE_SHIFT);

		ask(dir, from < start ? start : from,
		    to > vma->end ? vma->end : to);
	}
}

static void ask_for_threads(const struct imagedir *dir)
{
	const struct image *image = dir->image;

	for (uint32_t i = 0; i < image->nr_threads && i < THREADS_MAX; i++) {
		uint64_t at = page_floor(image->threads[i].regs[REG_FS_BASE_]);

		if (image_vma_at(image, at))
			ask(dir, at, at + PAGE_BYTES);
	}
}

void early_ask(const struct imagedir *dir)
{
	const struct image *image = dir->image;

	/* Of a warm one all is here, and asking would be a way to mitosisfs. */
	if (dir->space < 0 || dir->is_warm)
		return;
	for (uint32_t i = 0; i < image->nr_vmas; i++)
		if (image->vmas[i].kind == IMAGE_VMA_STACK)
			ask_for_stack(dir, &image->vmas[i]);
	ask_for_threads(dir);
}
