/* SPDX-License-Identifier: MIT */
#include "rdmafetch/ranks.h"

#include <errno.h>
#include <stdlib.h>

int ranks_init(struct ranks *ranks, const struct image *image)
{
	ranks->image = image;
	ranks->nr_pages = 0;
	ranks->base = calloc((size_t)image->nr_runs + 1, sizeof(*ranks->base));
	if (!ranks->base)
		return -ENOMEM;
	for (uint32_t i = 0; i < image->nr_runs; i++) {
		ranks->base[i] = ranks->nr_pages;
		ranks->nr_pages += image->runs[i].nr_pages;
	}
	return 0;
}

void ranks_done(struct ranks *ranks)
{
	free(ranks->base);
}

uint64_t ranks_in(const struct ranks *ranks, const struct image_run *run,
		  uint64_t page)
{
	return ranks->base[run - ranks->image->runs] + page - run->first_page;
}
