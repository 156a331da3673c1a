/* SPDX-License-Identifier: MIT */
#include "rdmafetch/order.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/page.h"

enum class { CLASS_HOT, CLASS_WRITTEN, CLASS_REST, CLASSES };

static enum class class_of(const struct image_vma *vma) {
	if (vma->kind == IMAGE_VMA_STACK ||
	    vma->kind == IMAGE_VMA_HEAP) return CLASS_HOT;
	return vma->prot & PROT_WRITE ? CLASS_WRITTEN : CLASS_REST;
}

static bool has_pages(const struct image *image, const struct image_vma *vma)
{
	const struct image_run *run =
		image_run_after(image, page_of(vma->start));

	return run && run->first_page < page_of(vma->end);
}

/* Append @vma, as one run with the one before where they touch. */
static void append(struct prefetch_run *runs, unsigned *nr, unsigned first,
		   const struct image_vma *vma)
{
	struct prefetch_run run = {page_of(vma->start),
				   page_of(vma->end - vma->start)};
	struct prefetch_run *last = *nr > first ? &runs[*nr - 1] : NULL;

	if (last && last->first_page + last->nr_pages == run.first_page)
		last->nr_pages += run.nr_pages;
	else
		runs[(*nr)++] = run;
}

int order_all(const struct image *image, struct prefetch_run **ret_runs,
	      unsigned *ret_nr)
{
	struct prefetch_run *runs =
		calloc((size_t)image->nr_vmas + 1, sizeof(*runs));
	unsigned nr = 0;

	if (!runs)
		return -ENOMEM;
	for (int class = 0; class < CLASSES; class ++) {
		unsigned first = nr;

		for (uint32_t i = 0; i < image->nr_vmas; i++)
			if ((int)class_of(&image->vmas[i]) == class &&
			    has_pages(image, &image->vmas[i]))
				append(runs, &nr, first, &image->vmas[i]);
	}
	*ret_runs = runs;
	*ret_nr = nr;
	return 0;
}

int order_workset(const struct workset *set, struct prefetch_run **ret_runs,
		  unsigned *ret_nr)
{
	struct prefetch_run *runs = calloc((size_t)set->nr + 1, sizeof(*runs));

	if (!runs)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->nr; i++)
		runs[i] = (struct prefetch_run){set->runs[i].first_page,
						set->runs[i].nr_pages};
	*ret_runs = runs;
	*ret_nr = set->nr;
	return 0;
}
