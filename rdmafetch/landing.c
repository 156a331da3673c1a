/* SPDX-License-Identifier: MIT */
/*
 * landing.c - enter, land, deliver, retire
 */
#include "rdmafetch/landing.h"

#include <string.h>

#include "common/io.h"
#include "common/page.h"
#include "common/trace.h"
#include "rdmafetch/pageset.h"

/* Demand goes before all prefetch that still waits for room. */
static void enqueue(struct pump *pump, struct flight *flight)
{
	struct flight *other = TAILQ_FIRST(&pump->queue);

	while (!flight->kept && other && !other->kept)
		other = TAILQ_NEXT(other, link);
	if (!flight->kept && other)
		TAILQ_INSERT_BEFORE(other, flight, link);
	else
		TAILQ_INSERT_TAIL(&pump->queue, flight, link);
}

void landing_queue(struct pump *pump, struct flight *flight)
{
	flight->state = FLIGHT_QUEUED;
	flight->joins = NULL;
	flight->pins = 0;
	flight->nr_tries = 0;
	flight->give_up_ns = 0;
	flight->result = 0;
	flight->delivered = false;
	flight->waiter->need++;
	inflight_add(&pump->table, flight);
	enqueue(pump, flight);
}

void landing_join(struct flight *flight, struct flight_join *join)
{
	join->next = flight->joins;
	flight->joins = join;
	join->waiter->need++;
}

static void unlink_flight(struct pump *pump, struct flight *flight)
{
	if (flight->state == FLIGHT_UNDERWAY)
		TAILQ_REMOVE(&pump->underway, flight, link);
	else
		TAILQ_REMOVE(&pump->queue, flight, link);
}

/* deadline_ns is a try's time after its start. */
static void count_good(struct pump *pump, const struct flight *flight)
{
	uint64_t start_ns = flight->deadline_ns - pump_try_ns(pump);
	uint64_t took_ns = io_monotonic_ns() - start_ns;

	timing_add(&pump->stats.read_took, took_ns);
	if (!pump->stats.least_ns || took_ns < pump->stats.least_ns)
		pump->stats.least_ns = took_ns;
	pump->stats.read_bytes += flight->len_bytes;
}

/* At once: out of the table and not here yet, it would be fetched again. */
static void mark(const struct flight *flight)
{
	const struct prefetch_run run = {page_of(flight->raddr),
					 page_of(flight->len_bytes)};

	if (flight->marks)
		(void)pageset_add(flight->marks, run);
}

void landing_land(struct pump *pump, struct flight *flight, int result,
		  struct flight_list *landed)
{
	unlink_flight(pump, flight);
	flight->result = result;
	if (result)
		pump->stats.errors++;
	else
		count_good(pump, flight);
	if (!result)
		mark(flight);
	TRACE(fetch__end, flight->object, flight->raddr, flight->len_bytes,
	      result);
	if (flight->kept && !result) {
		flight->state = FLIGHT_HELD;
	} else {
		flight->state = FLIGHT_OVER;
		inflight_del(&pump->table, flight);
	}
	TAILQ_INSERT_TAIL(landed, flight, link);
}

static bool copy_wanted(const struct flight_list *landed)
{
	const struct flight *flight;
	const struct flight_join *join;

	TAILQ_FOREACH(flight, landed, link)
	for (join = flight->joins; join && !flight->result; join = join->next)
		if (!join->is_lent)
			return true;
	return false;
}

static void copy_to_joins(const struct flight *flight)
{
	const struct flight_join *join = flight->joins;

	for (; join && !flight->result; join = join->next)
		if (!join->is_lent)
			memcpy(join->buf,
			       (char *)flight->buf +
				       (join->raddr - flight->raddr),
			       join->len_bytes);
}

static void tell(struct pump *pump, struct flight *flight)
{
	struct flight_join *join = flight->joins;

	for (; join; join = join->next) {
		join->result = flight->result;
		flight->pins += join->is_lent && !flight->result;
		waiter_credit(join->waiter, pump->kick_fd);
	}
	flight->joins = NULL;
	flight->delivered = true;
	waiter_credit(flight->waiter, pump->kick_fd);
}

void landing_deliver(struct pump *pump, struct flight_list *landed)
{
	struct flight *flight;

	if (copy_wanted(landed)) {
		/*
		 * Nobody can join a landed flight, and all who did still wait:
		 * lists and buffers stay as they are.
		 */
		(void)pthread_mutex_unlock(&pump->lock);
		TAILQ_FOREACH(flight, landed, link)
		copy_to_joins(flight);
		(void)pthread_mutex_lock(&pump->lock);
	}
	TAILQ_FOREACH(flight, landed, link)
	tell(pump, flight);
}

void landing_bring(struct flight *flight, int result)
{
	flight->state = result ? FLIGHT_OVER : FLIGHT_HELD;
	flight->joins = NULL;
	flight->pins = 0;
	flight->result = result;
	flight->delivered = true;
}

void landing_requeue(struct pump *pump, struct flight *flight)
{
	unlink_flight(pump, flight);
	flight->state = FLIGHT_QUEUED;
	TAILQ_INSERT_HEAD(&pump->queue, flight, link);
}

bool landing_worth_retry(const struct pump *pump, const struct flight *flight)
{
	return flight->nr_tries < pump->options.tries &&
	       (!flight->kept || flight->joins);
}

void landing_retire(struct pump *pump, struct flight *flight)
{
	inflight_del(&pump->table, flight);
	while (flight->pins)
		(void)pthread_cond_wait(&pump->quiet, &pump->lock);
	flight->state = FLIGHT_OVER;
}

void landing_unpin(struct pump *pump, struct flight *flight)
{
	if (--flight->pins == 0)
		(void)pthread_cond_broadcast(&pump->quiet);
}
