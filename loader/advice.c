/* SPDX-License-Identifier: MIT */
#include "loader/advice.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

/*
 * Huge pages are for anonymous memory: on a file map the advice would make each
 * fault fetch 2 MiB.
 */
void advice_plan(struct plan *plan, const struct image_vma *vma,
		 enum areas_kind kind)
{
	static const struct {
		uint32_t flag;
		int advice;
	} table[] = {
		{IMAGE_VMA_HUGEPAGE, MADV_HUGEPAGE},
		{IMAGE_VMA_NOHUGEPAGE, MADV_NOHUGEPAGE},
		{IMAGE_VMA_DONTFORK, MADV_DONTFORK},
		{IMAGE_VMA_WIPEONFORK, MADV_WIPEONFORK},
		{IMAGE_VMA_DONTDUMP, MADV_DONTDUMP},
		{IMAGE_VMA_RANDOM, MADV_RANDOM},
		{IMAGE_VMA_SEQUENTIAL, MADV_SEQUENTIAL},
	};
	uint64_t bytes = vma->end - vma->start;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		bool huge = table[i].flag &
			    (IMAGE_VMA_HUGEPAGE | IMAGE_VMA_NOHUGEPAGE);

		if (!(vma->flags & table[i].flag))
			continue;
		if (huge && kind == AREAS_WINDOW)
			continue;
		/* Kernels without huge pages answer EINVAL. */
		steps_add(table[i].advice == MADV_DONTFORK
				  ? &plan->steps
				  : plan_map_steps(plan),
			  &(struct blob_step){
				  .nr = SYS_madvise,
				  .check = huge ? BLOB_ANY : BLOB_ZERO,
				  .args = {vma->start, bytes,
					   (uint64_t)table[i].advice},
			  });
	}
	/* Lock what is there; the rest when it comes, and not all of it now.
	 * Neither this nor MADV_DONTFORK may be done ahead of the child's fork.
	 */
	if (vma->flags & IMAGE_VMA_LOCKED)
		steps_call(&plan->steps, SYS_mlock2, vma->start, bytes,
			   MLOCK_ONFAULT);
}
