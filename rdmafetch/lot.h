/* SPDX-License-Identifier: MIT */
/*
 * lot.h - pieces that come ahead and are handed on together
 *
 * Small pieces are what a demand read can wait for; a unit of 2 MiB at once is
 * what a huge page is filled with best.  So the pieces of a lot are flights of
 * their own, and lie one behind the other in one buffer: neighbours in memory
 * are neighbours there.
 *
 *     image   ...|########|########|...      a unit: eight pieces
 *     lot     [p0 p1 p2 p3 p4 p5 p6 p7]      one run for the sink
 *
 * Above: ahead.c, under pump.lock; what is sinking belongs to its thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/inflight.h"
#include "rdmafetch/prefetch.h"

#define LOT_PAGES	512u /* a huge page's */
#define LOT_PIECE_PAGES 64u  /* at most: a demand read may wait for one */
#define LOT_PIECES	16u  /* whole units have 8; images have small pieces */

/* Zeroed before first use, but for buf. */
struct lot {
	char *buf; /* of LOT_PAGES */
	struct flight pieces[LOT_PIECES];
	uint64_t taken[LOT_PIECES]; /* a bit for each page: see lot_take() */
	unsigned nr, nr_pages;
	bool closed;  /* nothing is added any more */
	bool sinking; /* a thread is about it; no other may touch it */
};

/*
 * Shorten @piece, which was taken off the front of @run, so that it does not
 * cross into a next unit; the rest goes back to @run, which ends at @end.
 */
void lot_trim(struct prefetch_run *piece, struct prefetch_run *run,
	      uint64_t end);

/* Whether any piece can still be added. */
bool lot_has_room(const struct lot *lot);

/* Whether @piece had better be the first of a lot: there a unit begins. */
bool lot_wants_first(struct prefetch_run piece);

/* Add @piece, for which there is room: its flight, with its place. */
struct flight *lot_add(struct lot *lot, struct prefetch_run piece);

/* Pages that have not arrived. */
unsigned lot_flying_pages(const struct lot *lot);

/* Whether it is complete, and nobody is about it yet. */
bool lot_ended(const struct lot *lot);

/*
 * Whoever asked has the pages of @run, of @flight, for good; whether that is one
 * of the lot's.
 */
bool lot_take(struct lot *lot, const struct flight *flight,
	      struct prefetch_run run);

/*
 * The next pages of @piece that are not in @taken, from its @from-th on;
 * nr_pages 0: none.
 */
struct prefetch_run lot_untaken(const struct flight *piece, uint64_t taken,
				uint64_t from);

/*
 * The pieces from @first on that arrived and follow on each other: how many,
 * their pages, and where they are.  0 when @first has not arrived, or when
 * something of it is in @taken, which has bits for each piece.
 */
unsigned lot_neighbours(const struct lot *lot, unsigned first,
			const uint64_t *taken, struct prefetch_run *ret_run,
			const char **ret_buf);

/* The pages of one piece. */
struct prefetch_run lot_run(const struct flight *piece);

/* Forget all pieces; it can be used again. */
void lot_clear(struct lot *lot);
