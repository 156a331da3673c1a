/* SPDX-License-Identifier: MIT */
/*
 * fetch.h - bring pages of an image to this host, once each
 *
 * Step 5 of the way of a page.  Above: fs/.  Below: one transport.
 *
 * Two callers that want one page cost one read (the in-flight table).  The
 * thread that waits also reaps, so a lone fault is never handed to another
 * thread; with several waiting, one reaps for all.
 *
 * A try that takes longer than timeout_ms breaks the connection, see pump.h: a
 * late answer must not be written into a buffer that was given back.
 *
 * Threads: every call is safe from any thread unless it says otherwise.
 * Locks: fetch, then the transport's own or the stash's; none is held across
 * I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/image.h"
#include "common/latency.h"
#include "common/timing.h"
#include "common/workset.h"
#include "rdmafetch/foreseen.h"
#include "rdmafetch/loan.h"
#include "rdmafetch/pieces.h"
#include "rdmafetch/prefetch.h"
#include "rdmafetch/stash.h"
#include "rdmafetch/transport.h"

struct fetch;

struct fetch_options {
	const struct image
		*image; /* whose runs say what is present; borrowed */
	const struct prefetch_policy *policy; /* NULL: prefetch_off */
	uint32_t prefetch_pages;	      /* the most of one suggestion */
	uint32_t hold_pages;		      /* as hold_options.pool_pages */
	uint64_t supply_from_ns;	      /* as supply_options.from_ns */
	const struct workset *known;	      /* as supply_options.known */
	uint64_t nil_ns;		      /* as pump_options.nil_ns */
	int timeout_ms; /* of one try; soft mounts: timeo */
	unsigned tries; /* 1 + retrans */
	/*
	 * Reads do not wait for a lost connection but end with -ENOTCONN at
	 * once: the caller waits, by fetch_mend(), and reads again.
	 */
	bool hard;
	/*
	 * Make the connection anew after an error; NULL: never.  Called by one
	 * thread at a time, with no lock held.  The old one is closed before.
	 * It must lead to the same image: see tcp_open().
	 * Returns 0, -ESTALE when the image is gone for good (all that waits
	 * fails with it), or another -errno: tried again after a pause, while
	 * there is time.
	 */
	int (*reopen)(void *arg, struct transport **ret);
	void *reopen_arg;
	/*
	 * Pages of fetch_ahead() arrived; @buf is the fetch's.  Called from the
	 * two prefetch threads only, with no lock held.  NULL: nobody can
	 * ask ahead.
	 * Returns 0, or not: they were not kept, and nothing that was asked
	 * for ahead so far is brought any more.
	 */
	int (*sink)(void *arg, uint64_t first_page, uint64_t nr_pages,
		    const void *buf);
	void *sink_arg;
	/* What faults have taken on its way is not for the sink. */
	bool sink_spares_taken;
	/*
	 * Asked before the transport; what comes ahead goes in.  Borrowed, and
	 * must live longer.  NULL: none.
	 */
	struct stash *stash;
};

struct fetch_stats {
	uint64_t demand_reads, demand_pages; /* asked for by callers */
	uint64_t demand_errors;
	unsigned demand_waiting; /* reads that are not answered yet */
	uint64_t shared_pages;	 /* of those, found already in flight */
	uint64_t prefetch_reads, prefetch_pages;
	struct foreseen_stats foreseen; /* what became of these */
	uint64_t likely_pages;		/* of prefetch_pages: see supply.h */
	uint64_t likely_used_pages;	/* of these, that faults took */
	uint64_t here_pages;		/* different ones, by fault or ahead */
	uint64_t faulted_pages;		/* different ones, by fault */
	struct timing read_took;	/* reads of the transport */
	uint64_t read_bytes;		/* over the transport, all together */
	uint64_t retries, reconnects, timeouts, errors;
	struct stash_stats stash; /* zeros without one */
	int is_lost; /* no connection, for longer than a read waits */
	int is_hard; /* so reads wait for one */
	int is_gone; /* the far end is there, and has no such image any more */
};

/*
 * Start fetching over @transport.  On success the fetch owns it and closes it;
 * on failure the caller still does.  Returns 0 or -errno of thread creation.
 */
int fetch_open(struct transport *transport, const struct fetch_options *options,
	       struct fetch **ret);

/*
 * Copy @len_bytes at @raddr of @object into @buf, page aligned in memory
 * objects.  Holes of the image read as zeros and cost nothing.
 *
 * Blocks until every page is here or the tries are used up: at most about
 * timeout_ms * tries, and what options.reopen takes.  Returns 0, or
 *   -EINVAL  not page aligned, or the range wraps
 *   -ESTALE  the image was released at the parent
 *   -ENOTCONN  with options.hard: there is no connection now
 *   -EIO     the connection broke and could not be rebuilt in time, or the
 *            parent could not read a page that the image should have, or
 *            fetch_stop() was called
 *
 * After an error @buf holds nothing of use, and nobody writes it any more.
 */
int fetch_read(struct fetch *fetch, uint32_t object, uint64_t raddr, void *buf,
	       size_t len_bytes);

/*
 * The same of memory, for a fault: the caller keeps the pages where the sink
 * puts those that come ahead.  So they count as here, and the policy hears of
 * it.
 */
int fetch_fault(struct fetch *fetch, uint64_t raddr, void *buf,
		size_t len_bytes);

/*
 * The same of either kind, with no copy of what lies in prefetch buffers: the
 * answer is @ret->iov, of which some is @wanted->buf.  Good until
 * fetch_return(), which must come soon: what is lent keeps its place, and
 * fetch_close() waits for it.  After an error nothing is lent.
 */
int fetch_lend(struct fetch *fetch, const struct piece *wanted, bool is_fault,
	       struct loan *ret);
void fetch_return(struct fetch *fetch, struct loan *loan);

/*
 * Put what a read of memory has brought into the stash, if there is one.  Off
 * the path of who waited: call it when he has his answer.  Blocks for I/O on a
 * local file.
 */
void fetch_keep(struct fetch *fetch, uint64_t raddr, const void *buf,
		size_t len_bytes);

/*
 * Reads will land in the @len_bytes at @buf again and again: where the
 * transport writes memory itself (RDMA), it then need not copy.  May block for
 * as long as memory takes to be pinned.  Ends with fetch_release_buffer(),
 * before the memory goes and with no read into it under way.
 */
void fetch_prepare_buffer(struct fetch *fetch, void *buf, size_t len_bytes);
void fetch_release_buffer(struct fetch *fetch, void *buf);

/*
 * Ask for pages ahead of any demand (the eager mode): queued for the prefetch
 * thread, which drops what is already here or under way.  Returns 0, -EAGAIN
 * when the queue is full, -EOPNOTSUPP without a sink.
 */
int fetch_ahead(struct fetch *fetch, uint64_t first_page, uint64_t nr_pages);

/*
 * One more has the pages open that children map, or one less: while somebody
 * has, what a child will look at is brought, see supply.h.
 */
void fetch_pages_opened(struct fetch *fetch);
void fetch_pages_closed(struct fetch *fetch);

/*
 * A child that has ended had these pages mapped: those that had come ahead were
 * of use.
 */
void fetch_note_seen(struct fetch *fetch, uint64_t first_page,
		     uint64_t nr_pages);

/*
 * Make a lost connection anew, if that can be done now; blocks for as long as
 * options.reopen does.  Returns 0 when there is one, -ESTALE when the image is
 * gone for good, or another -errno: try again later.
 */
int fetch_mend(struct fetch *fetch);

/*
 * The mount is gone: end all reads, those to come too, with -EIO, as soon as
 * the transport lets go of their buffers.  Does not wait for that.
 */
void fetch_stop(struct fetch *fetch);

void fetch_get_stats(struct fetch *fetch, struct fetch_stats *ret_stats);

/*
 * Which pages were faulted, in the order of their first faults; *@ret is the
 * caller's.  Those that came ahead made no fault.  0 or -ENOMEM.
 */
int fetch_get_workset(struct fetch *fetch, struct workset *ret);

/*
 * Wait, at most @timeout_ms, until all that was asked for ahead has come or was
 * given up: true when that is so.  Blocks; not during fetch_close().
 */
bool fetch_wait_ahead(struct fetch *fetch, int timeout_ms);

/*
 * How long each demand read of memory took: what a fault waits for, but for the
 * kernel's own share.  A read that ended for want of a connection is not in it:
 * the one that is made in its place is.
 */
void fetch_get_latency(struct fetch *fetch, struct latency *ret);

/*
 * Wait for reads under way (or their timeout), then free.  No call may begin
 * any more.  NULL is allowed.
 */
void fetch_close(struct fetch *fetch);
