/* SPDX-License-Identifier: MIT */
/*
 * caller.h - NIL calls to a mitosisd or its like, many under way at a time
 *
 * A connection of its own for each caller: HELLO by the client code that
 * mitosisfs uses, then NIL requests back to back.  One thread at a time.
 *
 *     caller_tcp.c     over a socket
 *     caller_verbs.c   over a queue pair; caller_without.c where there is none
 *     caller_dgram.c   by datagrams, without a connection
 */
#pragma once

#include <stdint.h>

#include "rdmafetch/tcp_control.h"
#include "rdmafetch/verbs_address.h"
#include "common/hist.h"
#include "tools/bench/place.h"

#define CALLER_UNDERWAY_MAX 256u
/* Over rdma: an answer needs a receive buffer. */
#define CALLER_UNDERWAY_RDMA_MAX 64u

struct caller;

struct caller_options {
	enum place_proto proto; /* not local */
	struct tcp_address address;
	unsigned underway;   /* 1 to CALLER_UNDERWAY_MAX calls at a time */
	unsigned body_bytes; /* of each request, at most WIRE_REQUEST_MAX */
	/* of rdma */
	enum verbs_completion completion;
	const char *device; /* NULL: the route's */
};

/*
 * Connect.  Returns 0, or the errors of tcp_control_hello() or
 * verbs_control_hello() with words, if any, in @why (WIRE_WHY_MAX + 1 bytes).
 */
int caller_open(const struct caller_options *options, struct caller **ret,
		char *why);

/*
 * Begin @nr more calls; no more than options.underway may be under way.  May
 * block for the far end.  Returns 0 or -errno of the connection.
 */
int caller_start(struct caller *caller, unsigned nr);

/*
 * Wait for at least one answer, and take all that are here; how long each call
 * took goes to @hist.  Returns how many, -ETIMEDOUT when the far end is silent
 * for ten seconds, -EPROTO for an answer that is none, or -errno of the
 * connection.
 */
int caller_reap(struct caller *caller, struct hist *hist);

/* NULL is allowed. */
void caller_close(struct caller *caller);
