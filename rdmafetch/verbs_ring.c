/* SPDX-License-Identifier: MIT */
/*
 * verbs_ring.c - numbers go in at one end and come out at the other
 */
#include "rdmafetch/verbs_ring.h"

#include <errno.h>
#include <stdlib.h>

int verbs_ring_init(struct verbs_ring *ring, unsigned size, uint64_t first)
{
	*ring = (struct verbs_ring){
		.size = size, .next = first, .oldest = first, .told = first};
	ring->entries = calloc(size, sizeof(ring->entries[0]));
	return ring->entries ? 0 : -ENOMEM;
}

void verbs_ring_done(struct verbs_ring *ring)
{
	free(ring->entries);
	ring->entries = NULL;
}

unsigned verbs_ring_room(const struct verbs_ring *ring)
{
	return ring->size - (unsigned)(ring->next - ring->oldest);
}

uint64_t verbs_ring_push(struct verbs_ring *ring,
			 const struct verbs_entry *entry)
{
	ring->entries[ring->next % ring->size] = *entry;
	return ring->next++;
}

bool verbs_ring_must_signal(const struct verbs_ring *ring, uint64_t seq)
{
	return seq + 1 - ring->told >= ring->size / 4;
}

void verbs_ring_signalled(struct verbs_ring *ring, uint64_t seq)
{
	if (seq + 1 > ring->told)
		ring->told = seq + 1;
}

bool verbs_ring_pop(struct verbs_ring *ring, uint64_t seq,
		    struct verbs_entry *ret)
{
	if (ring->oldest > seq || ring->oldest == ring->next ||
	    seq >= ring->next)
		return false;
	*ret = ring->entries[ring->oldest++ % ring->size];
	return true;
}
