/* SPDX-License-Identifier: MIT */
/*
 * runlist.h - a growing list of page runs that merges neighbours
 *
 * Above: pagemap.c, shared.c, runs.c.  Threads: one owner.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"

struct runlist {
	struct image_run *runs; /* runlist_free() */
	uint32_t nr, cap;
};

/*
 * Add [@first_page, @first_page + @nr_pages), which lies behind all that is
 * there or touches the last run.  Nothing for no pages.
 *
 * Returns 0, -E2BIG past IMAGE_RUNS_MAX, or -ENOMEM.
 */
int runlist_add(struct runlist *list, uint64_t first_page, uint64_t nr_pages);

/* The pages of all runs together. */
uint64_t runlist_pages(const struct runlist *list);

void runlist_free(struct runlist *list);
