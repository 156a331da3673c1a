/* SPDX-License-Identifier: MIT */
/*
 * wanted.h - what of a run is worth fetching ahead
 *
 * Threads: none of its own; the caller holds pump.lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/inflight.h"
#include "rdmafetch/pageset.h"
#include "rdmafetch/prefetch.h"
#include "rdmafetch/stash.h"

/*
 * Cut the first piece of at most @max_pages that must be fetched off the head
 * of *@run, which becomes what is behind it: holes, pages in @here, and pages
 * that are under way are skipped.  nr_pages 0: nothing of *@run is wanted, and
 * it is empty now.
 */
struct prefetch_run wanted_cut(const struct inflight *table,
			       const struct pageset *here,
			       struct prefetch_run *run, uint64_t max_pages);

/*
 * Shorten @piece, that wanted_cut() has cut off @run, to what is all in @stash,
 * or not at all: *@ret_stashed says which.  The rest goes back to *@run, which
 * ends at @end.  No stash has nothing.
 */
void wanted_stashed(struct stash *stash, struct prefetch_run *piece,
		    struct prefetch_run *run, uint64_t end, bool *ret_stashed);
