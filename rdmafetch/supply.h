/* SPDX-License-Identifier: MIT */
/*
 * supply.h - likely pages, streamed ahead of all demand and kept until used
 *
 *     somebody opens the pages, over a long link
 *        likely.h -> [ read ][ read ]..[ read ]   one window under way
 *                                 |
 *     a demand -- copies out -- slot               kept, and given back when
 *                                                  all of it was asked for
 *     nobody has them open: what is left is dropped, and that is all
 *
 * A child's start is a chain of faults, each of which waits for the link.  What
 * it will look at is brought meanwhile by a thread of this.  A demand read goes
 * before it, and waits for no more than the window, which is what the link's
 * latency is worth.
 *
 * Nothing is put into the kernel's page cache: a process that is killed leaves
 * no page half stored.
 *
 * Above: fetch.c.  Below: pump, likely.
 *
 * Locks: pump.lock is held in every call but open and close.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"
#include "common/workset.h"
#include "rdmafetch/foreseen.h"
#include "rdmafetch/pageset.h"
#include "rdmafetch/pump.h"
#include "rdmafetch/stash.h"

#define SUPPLY_PAGES 16384u /* that one stream brings at most: 64 MiB */

/* Of a link that is long: see supply_options.from_ns. */
#define SUPPLY_FROM_NS 250000u

struct supply;

struct supply_options {
	const struct image *image; /* all borrowed */
	struct pageset *here;	   /* arrived for good */
	struct foreseen *foreseen;
	struct stash *stash; /* what it has is not fetched; NULL: none */
	/*
	 * What an earlier child looked at: then that is brought, however near
	 * the far end is.  NULL or empty: not known.
	 */
	const struct workset *known;
	/*
	 * Over a link whose fastest read took less nothing is streamed: there a
	 * fault waits for processors, which a stream takes away.  0: never.
	 */
	uint64_t from_ns;
};

struct supply_stats {
	uint64_t reads, pages; /* that came */
	uint64_t used_pages;   /* of these, that a fault took */
};

/* Nothing brought, no thread yet.  0 or -ENOMEM; call without the lock. */
int supply_open(struct pump *pump, const struct supply_options *options,
		struct supply **ret);

/*
 * One more has the image's pages open.  For the first, what is likely is
 * brought as soon as the link is known to be long: once.  That starts the
 * thread; where it cannot be, nothing is ever brought.
 */
void supply_begin(struct supply *supply);

/*
 * Begin with what is known, if anything is, for who has the pages open soon.
 * Where nobody ever has, it ends with what its places hold.
 */
void supply_foresee(struct supply *supply);

/*
 * One less, which may be told before its begin.  Behind the last it stops, and
 * what was not used is dropped.
 */
void supply_end(struct supply *supply);

/* A fault of @demand is about to be sent, or was answered from the stash. */
void supply_touched(struct supply *supply, struct prefetch_run demand);

/*
 * A demand read takes @run out of @flight, which may be anybody's.  @is_fault:
 * the caller keeps the pages.
 */
void supply_joined(struct supply *supply, const struct flight *flight,
		   struct prefetch_run run, bool is_fault);

void supply_get_stats(const struct supply *supply,
		      struct supply_stats *ret_stats);

/*
 * Let reads under way end (or their timeout), then free; call without the lock,
 * with no demand read under way.  NULL is allowed.
 */
void supply_close(struct supply *supply);
