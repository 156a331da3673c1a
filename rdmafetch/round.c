/* SPDX-License-Identifier: MIT */
#include "rdmafetch/round.h"

#include <errno.h>
#include <string.h>

#include "common/page.h"
#include "rdmafetch/ahead.h"
#include "rdmafetch/hold.h"
#include "rdmafetch/landing.h"
#include "rdmafetch/pump.h"
#include "rdmafetch/transport.h"

/* ---- who brings it ---- */

static struct prefetch_run run_of(uint64_t raddr, uint64_t len_bytes)
{
	struct prefetch_run run = {page_of(raddr), page_of(len_bytes)};

	return run;
}

static void add_own(struct fetch *fetch, struct round *round,
		    const struct piece *piece)
{
	struct part *part = &round->parts[round->nr_parts++];
	struct flight *flight = &part->own;

	part->kind = PART_OWN;
	part->is_lent = false;
	round->how = LATENCY_FETCHED;
	flight->waiter = &round->waiter;
	flight->object = round->object;
	flight->raddr = piece->raddr;
	flight->len_bytes = (uint32_t)piece->len_bytes;
	flight->buf = piece->buf;
	flight->kept = false;
	flight->marks = round->is_fault ? fetch->here : NULL;
	landing_queue(&fetch->pump, flight);
}

/* Whose it is they know themselves. */
static void tell_joined(struct fetch *fetch, const struct flight *flight,
			struct prefetch_run run, bool is_fault)
{
	hold_joined(fetch->hold, flight, run, is_fault);
	supply_joined(fetch->supply, flight, run, is_fault);
	if (is_fault)
		ahead_joined(fetch->ahead, flight, run);
}

/* Only what is kept outlives its arrival. */
static bool may_lend(const struct round *round, const struct flight *flight)
{
	return flight->kept && round->loan &&
	       round->loan->nr_flights + round->nr_lent < LOAN_PARTS_MAX;
}

static void add_shared(struct fetch *fetch, struct round *round,
		       const struct piece *piece, struct flight *flight)
{
	struct part *part = &round->parts[round->nr_parts++];

	part->join.waiter = &round->waiter;
	part->join.raddr = piece->raddr;
	part->join.len_bytes = (uint32_t)piece->len_bytes;
	part->join.buf = piece->buf;
	part->join.result = 0;
	part->flight = flight;
	part->is_lent = may_lend(round, flight);
	part->join.is_lent = part->is_lent;
	round->nr_lent += part->is_lent;
	fetch->stats.shared_pages += page_of(page_ceil(piece->len_bytes));
	if (flight->kept)
		tell_joined(fetch, flight,
			    run_of(piece->raddr, piece->len_bytes),
			    round->is_fault);
	if (flight->state == FLIGHT_HELD) {
		part->kind = PART_HELD;
		flight->pins++;
		round->nr_held++;
	} else {
		part->kind = PART_JOIN;
		if (round->how == LATENCY_HERE)
			round->how = LATENCY_JOINED;
		landing_join(flight, &part->join);
	}
}

/* Cut the first part off @piece: up to where another's flight begins or ends.
 */
static void plan_part(struct fetch *fetch, struct round *round,
		      struct piece *piece)
{
	struct flight *flight =
		inflight_after(&fetch->pump.table, round->object, piece->raddr);
	bool shared = flight && flight->raddr <= piece->raddr;
	struct piece head = *piece;
	uint64_t most = TRANSPORT_READ_MAX;

	if (shared)
		most = flight->raddr + flight->len_bytes - piece->raddr;
	else if (flight && flight->raddr - piece->raddr < most)
		most = flight->raddr - piece->raddr;
	if (head.len_bytes > most)
		head.len_bytes = most;
	if (shared)
		add_shared(fetch, round, &head, flight);
	else
		add_own(fetch, round, &head);
	piece->raddr += head.len_bytes;
	piece->buf += head.len_bytes;
	piece->len_bytes -= head.len_bytes;
}

void round_plan(struct fetch *fetch, struct round *round)
{
	round->nr_parts = 0;
	round->nr_held = 0;
	round->nr_lent = 0;
	for (unsigned i = 0; i < round->pieces.nr; i++) {
		struct piece *piece = &round->pieces.at[i];

		while (piece->len_bytes && round->nr_parts < ROUND_PARTS_MAX)
			plan_part(fetch, round, piece);
		if (piece->len_bytes) {
			round->pieces.end = piece->raddr; /* the next round's */
			return;
		}
	}
}

/* ---- bring it ---- */

/* Where the bytes of a part are in another's buffer. */
static char *flight_at(const struct part *part)
{
	return (char *)part->flight->buf +
	       (part->join.raddr - part->flight->raddr);
}

void round_copy_held(struct fetch *fetch, struct round *round)
{
	if (!round->nr_held)
		return;
	(void)pthread_mutex_unlock(&fetch->pump.lock);
	for (unsigned i = 0; i < round->nr_parts; i++) {
		const struct part *part = &round->parts[i];

		if (part->kind == PART_HELD && !part->is_lent)
			memcpy(part->join.buf, flight_at(part),
			       part->join.len_bytes);
	}
	(void)pthread_mutex_lock(&fetch->pump.lock);
	for (unsigned i = 0; i < round->nr_parts; i++) {
		const struct part *part = &round->parts[i];

		if (part->kind == PART_HELD && !part->is_lent)
			landing_unpin(&fetch->pump, part->flight);
	}
}

bool round_is_everybodys(int result)
{
	return !result || result == -EIO || result == -ESTALE ||
	       result == -ENOTCONN;
}

static int result_of(const struct part *part)
{
	int result =
		part->kind == PART_OWN ? part->own.result : part->join.result;

	if (part->kind == PART_JOIN && !round_is_everybodys(result))
		result = -EAGAIN;
	return result;
}

/* What is lent has a pin since it arrived, if it did. */
static void lend(struct fetch *fetch, struct round *round, int err)
{
	for (unsigned i = 0; i < round->nr_parts; i++) {
		const struct part *part = &round->parts[i];

		if (!part->is_lent || part->join.result)
			continue;
		if (err)
			landing_unpin(&fetch->pump, part->flight);
		else
			loan_add(round->loan, part->flight, part->join.buf,
				 &(struct iovec){flight_at(part),
						 part->join.len_bytes});
	}
}

int round_collect(struct fetch *fetch, struct round *round)
{
	int err = 0;

	for (unsigned i = 0; i < round->nr_parts; i++) {
		int result = result_of(&round->parts[i]);

		if (result && (!err || result == -ESTALE))
			err = result;
	}
	if (round->nr_lent)
		lend(fetch, round, err);
	if (!err)
		ahead_arrived(fetch->ahead);
	return err;
}
