/* SPDX-License-Identifier: MIT */
/*
 * transport.h - the contract of everything that brings pages here
 *
 * Step 4 of the way of a page.  Above: rdmafetch/fetch.c.  A transport moves
 * pages and has no opinion: retry, timeouts and prefetch live in fetch.c.
 *
 * Rules, proven for every transport by tests/contract:
 *  - reads may finish in any order, and may be repeated;
 *  - a failed read says so exactly once;
 *  - a buffer belongs to the transport from submit until its reap;
 *  - submit never blocks on the far end; -EAGAIN when nothing fits;
 *  - after the first connection error all that is under way, and all that is
 *    submitted later, comes back with -EIO (or -ESTALE when the image is gone).
 *
 * Threads: submit from any thread; reap from one thread at a time, which may be
 * another one each time; submit and reap may overlap.  close from one thread,
 * with no other call under way.
 *
 * The smallest whole transport is null.c: read it first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/page.h"
#include "common/source.h"

#define TRANSPORT_READ_MAX (1u << 20) /* bytes of one read */

struct transport;

/*
 * One read.  The transport copies this struct at submit.  In SOURCE_MEMORY
 * address and length are whole pages.
 */
struct transport_read {
	uint32_t object;    /* enum source_object */
	uint32_t len_bytes; /* 1 to TRANSPORT_READ_MAX */
	uint64_t raddr;
	void *buf;
	uint64_t token; /* the caller's, comes back in transport_done */
	int urgent;	/* somebody waits for this one */
};

/* What every submit checks; an illegal read is -EINVAL. */
static inline bool transport_read_is_legal(const struct transport_read *read)
{
	if (!read->len_bytes || read->len_bytes > TRANSPORT_READ_MAX ||
	    read->raddr + read->len_bytes < read->raddr)
		return false;
	if (read->object == SOURCE_MEMORY)
		return !((read->raddr | read->len_bytes) % PAGE_BYTES);
	return source_is_file(read->object);
}

/*
 * A finished read.  result is 0, or
 *   -EIO     the connection broke: every other read will say the same
 *   -ESTALE  the image was released at the parent
 *   other    about this read only: -EREMOTEIO when the far end could not read
 *            the page (a far end's own -EIO is passed on as this)
 */
struct transport_done {
	uint64_t token;
	int result;
};

struct transport_ops {
	const char *name; /* "local", "null", "tcp", ... */

	/*
	 * Start up to @nr reads, in order.  Returns how many were taken (1 to
	 * @nr), -EAGAIN when none fits now, or -EINVAL for a read that breaks
	 * the contract.
	 */
	int (*submit)(struct transport *transport,
		      const struct transport_read *reads, unsigned nr);

	/*
	 * Collect up to @max finished reads, waiting for the first at most
	 * @timeout_ms (-1: no limit, 0: not at all).  Returns how many, 0 at
	 * the timeout or when nothing is under way.
	 */
	int (*reap)(struct transport *transport, struct transport_done *done,
		    unsigned max, int timeout_ms);

	/*
	 * Readable when reap() has something, or -1: poll by reap().  What an
	 * earlier reap() had no room for does not count: reap until it gives
	 * less than @max, then poll.
	 */
	int (*fd)(struct transport *transport);

	/*
	 * Make @buf, which lives long, fit for reads (register it); -errno when
	 * that cannot be: reads into it work all the same.  Release it with no
	 * read into it under way.  From any thread, while others submit and
	 * reap.  Both may be NULL: nothing to do.
	 */
	int (*prepare_buffer)(struct transport *transport, void *buf,
			      size_t len_bytes);
	void (*release_buffer)(struct transport *transport, void *buf);

	/*
	 * Do one read at once, where pages need not come from afar: nothing is
	 * under way afterwards.  From any thread, beside submit and reap.  NULL:
	 * they do.  Returns as transport_done.result, or -EINVAL as submit.
	 */
	int (*copy)(struct transport *transport,
		    const struct transport_read *read);

	/* End it; reads under way are lost.  Frees the transport. */
	void (*close)(struct transport *transport);
};

/* The base of every transport: its first member. */
struct transport {
	const struct transport_ops *ops;
};
