/* SPDX-License-Identifier: MIT */
/*
 * likely.h - which pages a child will look at soon: a pure policy
 *
 * An image alone tells much.  First comes where its threads stand: stacks,
 * code, what the thread pointers point at.  Then, always the smallest areas
 * first, the program's code and data, and the code of the files that its
 * threads are in; what else the parent can write, for small areas are a
 * program's own state; and constants of these files.  A large area is data, of
 * which nobody can guess what is wanted; and of many libraries few are used: an
 * area of one is likely when somebody was seen in it.
 *
 * A fault at the edge of an area brings its neighbours' pages, too, for the
 * kernel reads around it; so they come with the area.
 *
 * Threads: none of its own; the caller locks.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"
#include "common/workset.h"
#include "rdmafetch/prefetch.h"

#define LIKELY_AREA_PAGES                                                      \
	2048u /* what the image has of an area that is small */

struct likely;

/*
 * @image, before anybody has looked.  @known is what an earlier child looked
 * at: then that is likely, in its order, and nothing else is; NULL: nothing is
 * known.  Both are borrowed.  0 or -ENOMEM.
 */
int likely_new(const struct image *image, const struct workset *known,
	       struct likely **ret);

/* NULL is allowed. */
void likely_free(struct likely *likely);

/*
 * Somebody has looked at @demand.  The first time in a small area the rest of
 * that goes before all else: what is right before, what is behind, then what is
 * farther before.
 */
void likely_touched(struct likely *likely, struct prefetch_run demand);

/*
 * The next run, of at most @max_pages, which begins with a page that the image
 * has: as many calls as it has such runs.  It may have holes, and pages that
 * were told before or that have been looked at.  nr_pages 0: nothing is likely
 * now.
 */
struct prefetch_run likely_next(struct likely *likely, uint64_t max_pages);
