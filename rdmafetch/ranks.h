/* SPDX-License-Identifier: MIT */
/*
 * ranks.h - the pages that an image has, counted through without the holes
 *
 *     runs of the image:   [ 5, 6, 7 ]      [ 20, 21 ]
 *     ranks:                 0  1  2          3   4      base[] = {0, 3}
 *
 * Read-only once made, and may then be shared.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"

struct ranks {
	const struct image *image; /* borrowed */
	uint64_t *base;		   /* of each run: the rank of its first page */
	uint64_t nr_pages;	   /* of all runs */
};

/* 0 or -ENOMEM. */
int ranks_init(struct ranks *ranks, const struct image *image);

/* Zeroed ones are allowed. */
void ranks_done(struct ranks *ranks);

/* The rank of @page, which is in @run of the image. */
uint64_t ranks_in(const struct ranks *ranks, const struct image_run *run,
		  uint64_t page);
