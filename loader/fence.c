/* SPDX-License-Identifier: MIT */
#include "loader/fence.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "common/page.h"
#include "loader/guard_filter.h"

bool fence_try(void *page)
{
	return !madvise(page, PAGE_BYTES, GUARD_MADV_GUARD_INSTALL);
}

bool fence_try_memory(void)
{
	void *page = mmap(NULL, PAGE_BYTES, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool can = page != MAP_FAILED && fence_try(page);

	if (page != MAP_FAILED)
		(void)munmap(page, PAGE_BYTES);
	return can;
}

static void make(struct steps *steps, const struct image_vma *piece,
		 struct fence_how how)
{
	uint64_t bytes = piece->end - piece->start;
	uint64_t flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS;

	if (piece->flags & IMAGE_VMA_NORESERVE)
		flags |= MAP_NORESERVE;
	if (how.is_window)
		steps_fixed(steps, SYS_mmap, piece->start, bytes, piece->prot,
			    flags, (uint64_t)-1);
	if (how.installs)
		steps_call(steps, SYS_madvise, piece->start, bytes,
			   GUARD_MADV_GUARD_INSTALL, 0, 0, how.cookie);
	else
		steps_call(steps, SYS_mprotect, piece->start, bytes, PROT_NONE);
}

void fence_plan(struct steps *steps, const struct image *image,
		const struct image_vma *vma, struct fence_how how)
{
	const struct image_run *guard =
		image_guard_after(image, page_of(vma->start));
	const struct image_run *end = image->guards + image->nr_guards;

	for (; guard && guard < end; guard++) {
		uint64_t from = guard->first_page << PAGE_SHIFT;
		uint64_t to = from + (guard->nr_pages << PAGE_SHIFT);
		struct image_vma piece = *vma;

		if (from >= vma->end)
			return;
		piece.start = from < vma->start ? vma->start : from;
		piece.end = to > vma->end ? vma->end : to;
		make(steps, &piece, how);
	}
}
