/* SPDX-License-Identifier: MIT */
/*
 * pageset.h - which of an image's pages came here already
 *
 * One bit for each page that the image has; holes cost nothing.  Only to save
 * prefetch work: a page in the set may have been dropped by the kernel since.
 *
 * Threads: none of its own; the caller locks.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"
#include "rdmafetch/prefetch.h"

struct pageset;

/* An empty set over @image, which is borrowed.  0 or -ENOMEM. */
int pageset_new(const struct image *image, struct pageset **ret);

/* NULL is allowed. */
void pageset_free(struct pageset *set);

/* How many pages are in it. */
uint64_t pageset_count(const struct pageset *set);

/* Enter, or take out, the present pages of @run: how many that changed. */
uint64_t pageset_add(struct pageset *set, struct prefetch_run run);
uint64_t pageset_del(struct pageset *set, struct prefetch_run run);

/*
 * The first run inside @range of at most @max_pages pages that the image has
 * and the set has not; nr_pages 0 when there is none.
 */
struct prefetch_run pageset_missing(const struct pageset *set,
				    struct prefetch_run range,
				    uint64_t max_pages);
