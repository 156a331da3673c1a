/* SPDX-License-Identifier: MIT */
/*
 * landing.h - the ends of a flight: how it is entered, and how it arrives
 *
 * Arriving has two steps, so that copies are made without the lock: land takes
 * flights out of all lists, deliver copies to those who joined and tells them.
 *
 * Locks: pump.lock is held in every call; deliver and retire let it go
 * meanwhile.
 */
#pragma once

#include <stdbool.h>

#include "rdmafetch/inflight.h"
#include "rdmafetch/pump.h"

/* Enter @flight in the table and the queue; its waiter needs one more. */
void landing_queue(struct pump *pump, struct flight *flight);

/*
 * Want @join of @flight, which is not held; the join's waiter needs one more.
 * One that is lent has a pin of @flight from its arrival on.
 */
void landing_join(struct flight *flight, struct flight_join *join);

/* Take @flight, queued or under way, off its list and onto @landed. */
void landing_land(struct pump *pump, struct flight *flight, int result,
		  struct flight_list *landed);

/* Tell everybody about @landed; then a flight's owner may be gone. */
void landing_deliver(struct pump *pump, struct flight_list *landed);

/*
 * @flight, of which nobody knows, needed no transport: it is as one that ended
 * with @result and was delivered; kept, but not in the table.
 */
void landing_bring(struct flight *flight, int result);

/* Back to the queue's head. */
void landing_requeue(struct pump *pump, struct flight *flight);

/*
 * Whether @flight may be tried again.  A prefetch that nobody joined is not
 * worth it: whoever needs the page will ask.
 */
bool landing_worth_retry(const struct pump *pump, const struct flight *flight);

/* Take a held flight out of the table and wait until nobody copies from it. */
void landing_retire(struct pump *pump, struct flight *flight);

/* The end of a copy out of a held flight that had its pins raised. */
void landing_unpin(struct pump *pump, struct flight *flight);
