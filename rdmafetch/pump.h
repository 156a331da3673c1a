/* SPDX-License-Identifier: MIT */
/*
 * pump.h - flights through a transport that may break and be made anew
 *
 * Above: fetch.c (demand), hold.c and ahead.c (prefetch).  Below: one
 * transport.
 *
 * There is no thread of its own.  Of the threads that wait, one leads: it
 * reaps for all, watches deadlines, and rebuilds a broken connection.  A lone
 * reader therefore leads itself, and nothing is handed to another thread.  Who
 * stops leading wakes one of the others.
 *
 * A try that takes too long counts as a broken connection: there is no other
 * way to be sure that a late answer will not be written into a buffer that its
 * owner has got back.  The transport is closed, which ends its hold on all
 * buffers, and everything under way starts again on the next one.
 *
 * Locks: pump.lock guards the pump, the table, all flights and waiters.
 * Functions want it held and say when they let it go; it is never held during
 * a transport call, a copy, or a sleep.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/timing.h"
#include "rdmafetch/inflight.h"
#include "rdmafetch/retry.h"
#include "rdmafetch/transport.h"
#include "rdmafetch/waiter.h"

struct pump_options {
	int timeout_ms;
	unsigned tries;					  /* at least 1 */
	int (*reopen)(void *arg, struct transport **ret); /* or NULL */
	void *reopen_arg;
	bool hard; /* reads do not wait for a connection: -ENOTCONN */
	/*
	 * What a call takes at best, without anything to bring; 0: not known.
	 * The first reads find both ends asleep and say little about the link.
	 */
	uint64_t nil_ns;
};

#define PUMP_BUFFERS_MAX 96u /* of the threads there may be, and to spare */

/* See buffers.h. */
struct pump_buffer {
	void *buf;
	size_t len_bytes;
};

struct pump_stats {
	uint64_t read_bytes, retries, reconnects, timeouts, errors;
	struct timing read_took; /* of good reads, their last try */
	uint64_t least_ns; /* of these, and of options.nil_ns; 0: none yet */
};

struct pump {
	pthread_mutex_t lock;
	struct pump_options options;
	struct transport *transport; /* NULL after a break, until rebuilt */
	struct inflight table;
	struct flight_list queue;    /* not submitted yet */
	struct flight_list underway; /* by deadline */
	struct waiter_list sleepers;
	struct pump_stats stats;
	pthread_cond_t quiet; /* in_calls or a flight's pins fell to 0 */
	unsigned in_calls;    /* threads inside the transport, leader aside */
	unsigned in_submit;   /* of these, inside submit */
	/*
	 * Reads that submit has said it took, less those reaped.  A read may be
	 * reaped before its submit returns: below 0 for that moment.
	 */
	int nr_taken;
	unsigned nr_buffers;
	struct pump_buffer buffers[PUMP_BUFFERS_MAX];
	int kick_fd; /* wakes the polling waiter, or -1 */
	bool leading, broken, full;
	bool stopped; /* for good: reads end with -EIO */
	bool gone;    /* the last look found that the image is no more */
	/*
	 * A read ran out of time for want of a connection: until there is one
	 * again each read gets one look for it, so that a dead parent costs a
	 * process its time limit once and not once a page.
	 */
	bool lost;
	uint64_t look_ns; /* when lost or gone: no look before */
};

/* Own @transport from now on.  Returns 0 or -errno of the lock. */
int pump_init(struct pump *pump, struct transport *transport,
	      const struct pump_options *options);

/* Close the transport.  No flight and no waiter may be left. */
void pump_done(struct pump *pump);

/* Get ready for pump_watch(): 0 or -errno of eventfd(). */
int pump_enable_watch(struct pump *pump);

/*
 * Before and after a call into the transport by somebody who does not lead: the
 * lock is let go in between, and the transport stays.
 */
void pump_enter(struct pump *pump);
void pump_leave(struct pump *pump);

/* How long one try may take. */
uint64_t pump_try_ns(const struct pump *pump);

/* Submit what is queued and fits.  Lets the lock go meanwhile. */
void pump_flush(struct pump *pump);

/*
 * Wait until nothing that @waiter needs is missing, leading when nobody does.
 * Lets the lock go meanwhile.  Bounded by the tries of its flights.
 */
void pump_wait(struct pump *pump, struct waiter *waiter);

/*
 * Wait, for the prefetch thread, until @waiter may be ready: without leading
 * where the transport can be polled, so that a demand read never finds a
 * sleeper in the lead.  May return early.
 */
void pump_watch(struct pump *pump, struct waiter *waiter);

/*
 * When the connection is broken and nobody leads, try once to rebuild it.  Lets
 * the lock go meanwhile.  Returns 0 when it works, -EAGAIN when somebody leads,
 * else as mend_once().
 */
int pump_mend(struct pump *pump);

/* End the connection and, soon, all reads, those to come too: -EIO. */
void pump_stop(struct pump *pump);

/* How reads take a loss now. */
struct retry_manner pump_manner(const struct pump *pump);

/* Wake somebody to lead, when nobody does and somebody sleeps. */
void pump_elect(struct pump *pump);
