/* SPDX-License-Identifier: MIT */
/*
 * round.h - one round of a demand read: who brings which part of it
 *
 *     what is to be fetched   [ own | another's flight | own | held ]
 *
 * Its flights and joins live in it, on the caller's stack, and bring pages
 * straight into the caller's buffer.  Those that lie, or will lie, in a
 * prefetch buffer can be lent instead of copied (loan.h).
 *
 * Above: fetch.c.  Below: pump, landing.  Locks: pump.lock is held in every
 * call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/latency.h"
#include "rdmafetch/fetch_state.h"
#include "rdmafetch/inflight.h"
#include "rdmafetch/loan.h"
#include "rdmafetch/pieces.h"

#define ROUND_PARTS_MAX 64u

enum part_kind {
	PART_OWN,  /* a flight of this call */
	PART_JOIN, /* comes with another's flight */
	PART_HELD, /* lies in a prefetch buffer already */
};

struct part {
	enum part_kind kind;
	bool is_lent; /* of flight: not copied */
	union {
		struct flight own;
		struct flight_join join;
	};
	struct flight *flight; /* another's */
};

/* As much of a read as its arrays can hold. */
struct round {
	uint32_t object;
	bool is_fault, is_told;	   /* told: the policy */
	struct prefetch_run asked; /* in all rounds */
	enum latency_how how;	   /* of all rounds, the worst */
	struct loan *loan;	   /* of all rounds; NULL: copy */
	struct waiter waiter;
	unsigned nr_parts, nr_held, nr_lent;
	struct pieces pieces;
	struct part parts[ROUND_PARTS_MAX];
};

/*
 * Make parts of the round's pieces, and queue flights for those that nobody
 * brings; its waiter needs what is on its way.
 */
void round_plan(struct fetch *fetch, struct round *round);

/* Copy what lies in prefetch buffers already; lets the lock go meanwhile. */
void round_copy_held(struct fetch *fetch, struct round *round);

/*
 * All parts have ended: add what is lent to the round's loan, and return the
 * worst of their results.  -EAGAIN: one failed for the sake of another's page,
 * read it alone.
 */
int round_collect(struct fetch *fetch, struct round *round);

/* Whether @result is no matter of one page. */
bool round_is_everybodys(int result);
