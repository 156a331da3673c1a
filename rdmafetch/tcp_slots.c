/* SPDX-License-Identifier: MIT */
/* tcp_slots.c - see tcp_slots.h */
#include "rdmafetch/tcp_slots.h"

#define AT(id) ((id)&0xffff)

bool slots_fit(const struct tcp_slots *slots, const struct transport_read *read)
{
	return slots->nr_busy < SLOTS_NR &&
	       slots->underway_bytes + read->len_bytes <= SLOTS_BYTES_MAX;
}

static unsigned find_free(struct tcp_slots *slots)
{
	unsigned at = slots->next;

	while (slots->slots[at].busy)
		at = (at + 1) % SLOTS_NR;
	slots->next = (at + 1) % SLOTS_NR;
	return at;
}

uint32_t slots_take(struct tcp_slots *slots, const struct transport_read *read)
{
	unsigned at = find_free(slots);
	struct slot *slot = &slots->slots[at];

	slot->busy = true;
	slot->turn++;
	slot->len_bytes = read->len_bytes;
	slot->buf = read->buf;
	slot->token = read->token;
	slots->nr_busy++;
	slots->underway_bytes += read->len_bytes;
	return at | (uint32_t)slot->turn << 16;
}

const struct slot *slots_find(const struct tcp_slots *slots, uint32_t id)
{
	const struct slot *slot = &slots->slots[AT(id) % SLOTS_NR];

	if (AT(id) >= SLOTS_NR || !slot->busy || slot->turn != id >> 16)
		return NULL;
	return slot;
}

void slots_free(struct tcp_slots *slots, uint32_t id, int result,
		struct transport_done *done)
{
	struct slot *slot = &slots->slots[AT(id)];

	done->token = slot->token;
	done->result = result;
	slot->busy = false;
	slots->nr_busy--;
	slots->underway_bytes -= slot->len_bytes;
}

unsigned slots_free_all(struct tcp_slots *slots, int result,
			struct transport_done *done, unsigned max)
{
	unsigned nr = 0;

	for (unsigned at = 0; at < SLOTS_NR && nr < max; at++)
		if (slots->slots[at].busy)
			slots_free(slots, at, result, &done[nr++]);
	return nr;
}
