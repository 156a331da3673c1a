/* SPDX-License-Identifier: MIT */
/*
 * hold.h - pages that a policy foresees, kept here until they are asked for
 *
 *     a demand: [ its own pages ][ what the policy foresees ]   one batch
 *                      |                     |
 *                  the caller          slots of this
 *     the next one --------- copies out ----'
 *
 * The far end reads and sends foreseen pages while the demand is answered and
 * its thread goes on.  A thread of this receives them; who waits for a page
 * goes before it, and lands them too.
 *
 * A page leaves when it was asked for, or when its slot is the oldest and one
 * is needed.  Nothing is put into the kernel's page cache: a process that is
 * killed leaves no page half stored.
 *
 * Above: fetch.c.  Below: pump.
 *
 * Locks: pump.lock is held in every call but open and close.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"
#include "rdmafetch/foreseen.h"
#include "rdmafetch/pageset.h"
#include "rdmafetch/prefetch.h"
#include "rdmafetch/pump.h"

#define HOLD_PAGES 2048u

struct hold;

struct hold_options {
	const struct image *image; /* all borrowed */
	struct pageset *here;	   /* arrived for good */
	struct foreseen *foreseen;
	const struct prefetch_policy *policy;
	struct stash *stash; /* what it has is not fetched; NULL: none */
	uint32_t max_pages;  /* of one suggestion */
	uint32_t pool_pages; /* at most that many are kept; 0: HOLD_PAGES */
};

/* Nothing held, no thread yet.  0 or -ENOMEM; call without the lock. */
int hold_open(struct pump *pump, const struct hold_options *options,
	      struct hold **ret);

/*
 * A demand read of @demand is about to be sent: queue what the policy foresees
 * behind it, in its area.  @is_fault: the caller keeps the pages, so what is
 * here is not foreseen; else what readers were given lately is not.
 * @is_expected: others bring what faults ask for, and had this; then a few that
 * run forward are no sign of more, as from a near far end.  The first time
 * starts the thread; where that fails nothing is ever foreseen.
 */
void hold_demanded(struct hold *hold, struct prefetch_run demand, bool is_fault,
		   bool is_expected);

/*
 * A demand read takes @run out of @flight, which may be anybody's.  @is_fault:
 * the caller keeps the pages.
 */
void hold_joined(struct hold *hold, const struct flight *flight,
		 struct prefetch_run run, bool is_fault);

/* Foreseen reads that were answered, and their pages. */
void hold_get_stats(const struct hold *hold, uint64_t *ret_reads,
		    uint64_t *ret_pages);

/*
 * Let reads under way end (or their timeout), then free; call without the lock,
 * with no demand read under way.  NULL is allowed.
 */
void hold_close(struct hold *hold);
