/* SPDX-License-Identifier: MIT */
/*
 * ahead.h - pages that are asked for ahead of all demand, into a sink
 *
 * Above: fetch.c.  Below: pump.
 *
 * A thread brings pages and hands what came to the sink, a lot at a time
 * (rdmafetch/lot.h).  Where there are CPUs for it, or no sender with work of its
 * own, a second one hands them on, so that both go on at once; the first one
 * helps when nothing is on its way.
 *
 * They hand pages to a sink, and the sink may block until a demand read
 * is answered (storing into the page cache waits for the lock of a page that is
 * being read).  So a demand read must never wait for this thread:
 *  - it may wait for the arrival of a prefetch flight, but whoever waits reaps,
 *    so the arrival does not need this thread;
 *  - from then until the sink is done the flight is held, and demand reads copy
 *    out of it at once.
 *
 * What the stash has takes no flight: the first thread copies it into a lot,
 * where it is then as what has arrived.  What a flight brought is put in
 * behind the sink.
 *
 * Locks: pump.lock guards everything here; the sink is called with no lock, and
 * so is the stash, but for a look into its index.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/foreseen.h"
#include "rdmafetch/pageset.h"
#include "rdmafetch/prefetch.h"
#include "rdmafetch/pump.h"

struct ahead;
struct fetch_stats;
struct stash;

struct ahead_options {
	struct pageset *here;	   /* arrived, or on the way; borrowed */
	struct foreseen *foreseen; /* borrowed */
	int (*sink)(void *arg, uint64_t first_page, uint64_t nr_pages,
		    const void *buf); /* as of struct fetch_options */
	void *sink_arg;
	struct stash *stash; /* borrowed; NULL: none */
	/* What a fault has taken out of a flight is none of the sink's. */
	bool spares_taken;
};

/* Start the thread.  0 or -errno; call without the lock. */
int ahead_open(struct pump *pump, const struct ahead_options *options,
	       struct ahead **ret);

/* A demand read's pages arrived.  NULL is allowed. */
void ahead_arrived(struct ahead *ahead);

/* A fault takes @run out of @flight, which may be anybody's.  NULL is allowed. */
void ahead_joined(struct ahead *ahead, const struct flight *flight,
		  struct prefetch_run run);

/* Queue @run for the threads: 0, or -EAGAIN when the queue is full. */
int ahead_add(struct ahead *ahead, struct prefetch_run run);

/*
 * Wait, at most @timeout_ms, until nothing is queued or under way: whether that
 * is so.  Lets the lock go meanwhile.
 */
bool ahead_wait(struct ahead *ahead, int timeout_ms);

/* Fill in the reads and pages that the sink took, and what became of them. */
void ahead_get_stats(const struct ahead *ahead, struct fetch_stats *stats);

/* Let reads under way end, then the thread; call without the lock. */
void ahead_close(struct ahead *ahead);
