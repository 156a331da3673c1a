/* SPDX-License-Identifier: MIT */
/*
 * verbs_slots.c - taken, queued, posted, landed, free
 */
#include "rdmafetch/verbs_slots.h"

#include <stddef.h>

#define UNDERWAY_MAX (32u << 20) /* bytes asked for */

/*
 * Without hurry at most this much is posted: two of the prefetch's flights,
 * which at 100 Gbit/s keep the link busy for 40 us, several round trips, and
 * hold an urgent read up for no longer.
 */
#define BULK_WINDOW (512u << 10)

void verbs_slots_init(struct verbs_slots *slots)
{
	*slots = (struct verbs_slots){0};
	TAILQ_INIT(&slots->far);
	TAILQ_INIT(&slots->urgent);
	TAILQ_INIT(&slots->bulk);
	TAILQ_INIT(&slots->landed);
}

bool verbs_slots_has_room(const struct verbs_slots *slots,
			  const struct transport_read *read)
{
	return slots->nr_busy < VERBS_SLOTS &&
	       slots->underway_bytes + read->len_bytes <= UNDERWAY_MAX;
}

static struct verbs_queue *queue_of(struct verbs_slots *slots,
				    const struct verbs_slot *slot)
{
	if (slot->is_far)
		return &slots->far;
	return slot->read.urgent ? &slots->urgent : &slots->bulk;
}

void verbs_slots_take(struct verbs_slots *slots,
		      const struct transport_read *read)
{
	struct verbs_slot *slot;
	uint16_t turn;

	while (slots->at[slots->next].is_busy)
		slots->next = (slots->next + 1) % VERBS_SLOTS;
	slot = &slots->at[slots->next];
	turn = slot->turn;
	*slot = (struct verbs_slot){.read = *read,
				    .turn = (uint16_t)(turn + 1),
				    .is_busy = true,
				    .is_queued = true};
	slots->next = (slots->next + 1) % VERBS_SLOTS;
	slots->nr_busy++;
	slots->underway_bytes += read->len_bytes;
	TAILQ_INSERT_TAIL(queue_of(slots, slot), slot, link);
}

static bool fits_window(const struct verbs_slots *slots,
			const struct verbs_slot *slot)
{
	return !slots->bulk_bytes ||
	       slots->bulk_bytes + slot->read.len_bytes <= BULK_WINDOW;
}

struct verbs_slot *verbs_slots_next(const struct verbs_slots *slots)
{
	struct verbs_slot *slot = TAILQ_FIRST(&slots->far);

	if (!slot)
		slot = TAILQ_FIRST(&slots->urgent);
	if (slot)
		return slot;
	slot = TAILQ_FIRST(&slots->bulk);
	return slot && fits_window(slots, slot) ? slot : NULL;
}

void verbs_slots_posted(struct verbs_slots *slots, struct verbs_slot *slot)
{
	TAILQ_REMOVE(queue_of(slots, slot), slot, link);
	slot->is_queued = false;
	if (slot->read.urgent || slot->is_counted)
		return;
	slot->is_counted = true;
	slots->bulk_bytes += slot->read.len_bytes;
}

void verbs_slots_fetch(struct verbs_slots *slots, struct verbs_slot *slot,
		       const struct wire_far *far)
{
	slot->is_asked = false;
	slot->is_far = true;
	slot->is_queued = true;
	slot->far = *far;
	TAILQ_INSERT_TAIL(&slots->far, slot, link);
}

void verbs_slots_land(struct verbs_slots *slots, struct verbs_slot *slot,
		      int result)
{
	if (slot->is_queued)
		TAILQ_REMOVE(queue_of(slots, slot), slot, link);
	slot->is_queued = false;
	slot->is_asked = false;
	slot->result = result;
	if (slot->is_counted)
		slots->bulk_bytes -= slot->read.len_bytes;
	slot->is_counted = false;
	TAILQ_INSERT_TAIL(&slots->landed, slot, link);
}

static bool is_landed(const struct verbs_slots *slots,
		      const struct verbs_slot *slot)
{
	const struct verbs_slot *other;

	TAILQ_FOREACH(other, &slots->landed, link)
	if (other == slot)
		return true;
	return false;
}

void verbs_slots_land_all(struct verbs_slots *slots, int result)
{
	for (unsigned i = 0; i < VERBS_SLOTS; i++) {
		struct verbs_slot *slot = &slots->at[i];

		if (slot->is_busy && !is_landed(slots, slot))
			verbs_slots_land(slots, slot, result);
	}
}

void verbs_slots_free(struct verbs_slots *slots, struct verbs_slot *slot)
{
	TAILQ_REMOVE(&slots->landed, slot, link);
	slot->is_busy = false;
	slots->nr_busy--;
	slots->underway_bytes -= slot->read.len_bytes;
}

uint32_t verbs_slots_id(const struct verbs_slots *slots,
			const struct verbs_slot *slot)
{
	return (uint32_t)(slot - slots->at) | (uint32_t)slot->turn << 16;
}

struct verbs_slot *verbs_slots_of_id(struct verbs_slots *slots, uint32_t id)
{
	struct verbs_slot *slot;

	if ((id & 0xffff) >= VERBS_SLOTS)
		return NULL;
	slot = &slots->at[id & 0xffff];
	return slot->is_busy && slot->is_asked && slot->turn == id >> 16 ? slot
									 : NULL;
}
