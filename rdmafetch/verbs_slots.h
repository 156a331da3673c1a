/* SPDX-License-Identifier: MIT */
/*
 * verbs_slots.h - the reads that a verbs transport has taken
 *
 *     submit -> urgent or bulk queue -> posted -> landed -> reap
 *                                 ^        |
 *                        far queue +<------+  the answer lies far: READ it
 *
 * Reads that somebody waits for go first, and those ahead of any demand only
 * while few of their bytes are posted: READs of one connection are answered in
 * order, so what is posted is what an urgent read may have to wait for.
 *
 * Above: verbs_post.c, verbs_done.c, verbs.c.  Locks: none, the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/wire.h"
#include "rdmafetch/transport.h"

#define VERBS_SLOTS 256u

struct verbs_slot {
	TAILQ_ENTRY(verbs_slot) link; /* in one of the queues below */
	struct transport_read read;
	struct wire_far far;
	char *target; /* where the device writes, or NULL: not decided */
	uint32_t lkey;
	int result;
	uint16_t turn; /* how often used: the upper part of the id */
	bool is_busy;
	bool is_queued;	 /* in the far, urgent or bulk queue */
	bool is_far;	 /* the answer came, and lies far */
	bool is_asked;	 /* a message is out, its answer not here */
	bool is_bounced; /* target is of the pool */
	bool is_counted; /* in bulk_bytes */
};

TAILQ_HEAD(verbs_queue, verbs_slot);

struct verbs_slots {
	struct verbs_slot at[VERBS_SLOTS];
	struct verbs_queue far, urgent, bulk; /* to be posted */
	struct verbs_queue landed;	      /* finished, not reaped */
	unsigned nr_busy, next;
	size_t underway_bytes, bulk_bytes; /* taken; posted without hurry */
};

void verbs_slots_init(struct verbs_slots *slots);

/* Whether @read can be taken now. */
bool verbs_slots_has_room(const struct verbs_slots *slots,
			  const struct transport_read *read);

/* Take @read, for which there is room, and queue it. */
void verbs_slots_take(struct verbs_slots *slots,
		      const struct transport_read *read);

/* The next to be posted, or NULL. */
struct verbs_slot *verbs_slots_next(const struct verbs_slots *slots);

/* @slot, which verbs_slots_next() gave, is posted. */
void verbs_slots_posted(struct verbs_slots *slots, struct verbs_slot *slot);

/* The answer to @slot's message lies far: queue it to be fetched. */
void verbs_slots_fetch(struct verbs_slots *slots, struct verbs_slot *slot,
		       const struct wire_far *far);

/* @slot is finished with @result. */
void verbs_slots_land(struct verbs_slots *slots, struct verbs_slot *slot,
		      int result);

/* All that is not landed yet lands with @result. */
void verbs_slots_land_all(struct verbs_slots *slots, int result);

/* @slot, the first landed, was reaped and is free again. */
void verbs_slots_free(struct verbs_slots *slots, struct verbs_slot *slot);

/* The id of @slot's message, and back; NULL: no message with that id is out. */
uint32_t verbs_slots_id(const struct verbs_slots *slots,
			const struct verbs_slot *slot);
struct verbs_slot *verbs_slots_of_id(struct verbs_slots *slots, uint32_t id);
