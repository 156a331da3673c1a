/* SPDX-License-Identifier: MIT */
/*
 * sinking.h - the pages of a lot go into a sink, and into the stash
 *
 * What is beside each other goes into the sink at once; what a fault has taken
 * does not go there at all.
 *
 * Locks: none; the lot is the caller's meanwhile, see lot.sinking.
 */
#pragma once

#include <stdint.h>

#include "rdmafetch/lot.h"
#include "rdmafetch/stash.h"

struct sinking {
	int (*sink)(void *arg, uint64_t first_page, uint64_t nr_pages,
		    const void *buf); /* as of struct fetch_options */
	void *arg;
	struct stash *stash; /* borrowed; NULL: none */
};

/*
 * Hand on what has arrived in @lot, but for the pages that have a bit in
 * @taken, which has LOT_PIECES of them: @errs[i] is what the sink said of the
 * i-th piece.  Blocks for as long as the sink does.
 */
void sinking_put(const struct sinking *sinking, const struct lot *lot,
		 const uint64_t *taken, int *errs);
