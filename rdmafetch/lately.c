/* SPDX-License-Identifier: MIT */
#include "rdmafetch/lately.h"

#include <errno.h>
#include <stdlib.h>

struct lately {
	const struct image *image;
	struct pageset *pages;		       /* those of runs */
	struct prefetch_run runs[LATELY_RUNS]; /* a ring, none twice in it */
	unsigned next;
};

int lately_new(const struct image *image, struct lately **ret)
{
	struct lately *lately = calloc(1, sizeof(*lately));
	int err;

	if (!lately)
		return -ENOMEM;
	lately->image = image;
	err = pageset_new(image, &lately->pages);
	if (err) {
		free(lately);
		return err;
	}
	*ret = lately;
	return 0;
}

void lately_free(struct lately *lately)
{
	if (!lately)
		return;
	pageset_free(lately->pages);
	free(lately);
}

static void forget(struct lately *lately, struct prefetch_run *run)
{
	(void)pageset_del(lately->pages, *run);
	run->nr_pages = 0;
}

static void forget_all(struct lately *lately)
{
	for (unsigned i = 0; i < LATELY_RUNS; i++)
		forget(lately, &lately->runs[i]);
}

void lately_given(struct lately *lately, struct prefetch_run run)
{
	struct prefetch_run *place;
	uint64_t present = image_present_pages(lately->image, run.first_page,
					       run.nr_pages);

	if (!present)
		return;
	place = &lately->runs[lately->next++ % LATELY_RUNS];
	forget(lately, place);
	if (pageset_add(lately->pages, run) != present) {
		forget_all(lately);
		(void)pageset_add(lately->pages, run);
	}
	*place = run;
}

const struct pageset *lately_pages(const struct lately *lately)
{
	return lately->pages;
}
