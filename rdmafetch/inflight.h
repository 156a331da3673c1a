/* SPDX-License-Identifier: MIT */
/*
 * inflight.h - reads under way, found by the bytes they bring
 *
 * A flight is one read on its way through a transport.  It lives with whoever
 * started it (a caller's stack, a prefetch slot) and is in the table from the
 * moment it is queued, so that a second caller of the same page joins it.
 *
 *     caller A: [ flight, buf = A's buffer ]---- read ----> transport
 *     caller B: [ join,   buf = B's buffer ]--^
 *
 * Whoever reaps a flight copies its bytes to everybody who joined, while they
 * all still wait: so A may return at once and never waits for B.
 *
 * Threads and locks: no lock of its own; pump.lock guards every field here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "rdmafetch/waiter.h"

#define INFLIGHT_MAX 2048u

struct flight;
struct pageset;

/* Somebody who wants a part of another's flight. */
struct flight_join {
	struct flight_join *next;
	struct waiter *waiter;
	uint64_t raddr; /* inside the flight, to the join's end */
	uint32_t len_bytes;
	void *buf;
	bool is_lent; /* not copied: the flight gets a pin when it has come */
	int result;   /* set with the waiter's credit */
};

enum flight_state {
	FLIGHT_QUEUED,	 /* waits for a transport with room */
	FLIGHT_UNDERWAY, /* the buffer belongs to the transport */
	FLIGHT_HELD,	 /* kept only: arrived, bytes may be copied from buf */
	FLIGHT_OVER,
};

struct flight {
	TAILQ_ENTRY(flight) link; /* in pump's queue or list under way */
	struct waiter *waiter;
	struct flight_join *joins;
	uint64_t raddr;
	uint32_t object, len_bytes;
	void *buf;
	struct pageset *marks; /* it is in here once it arrived, or NULL */
	enum flight_state state;
	bool kept;     /* a prefetch: its buffer outlives its arrival */
	unsigned pins; /* threads that copy out of a held buffer */
	unsigned nr_tries;
	uint64_t deadline_ns; /* of this try */
	uint64_t give_up_ns;  /* of all tries */
	int result;
	bool delivered; /* arrived, and everybody has been told */
};

TAILQ_HEAD(flight_list, flight);

/* Sorted by object and address, never overlapping. */
struct inflight {
	unsigned nr;
	struct flight *at[INFLIGHT_MAX];
};

/* Enter @flight, which overlaps none there.  Full: it is just not shared. */
void inflight_add(struct inflight *table, struct flight *flight);

/* Take @flight out; not being in is allowed. */
void inflight_del(struct inflight *table, struct flight *flight);

/* The first flight of @object that ends after @raddr, or NULL.  O(log n). */
struct flight *inflight_after(const struct inflight *table, uint32_t object,
			      uint64_t raddr);
