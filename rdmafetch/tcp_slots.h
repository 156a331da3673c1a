/* SPDX-License-Identifier: MIT */
/*
 * tcp_slots.h - the reads that are under way, by the id of their request
 *
 * An id is a slot and, above it, how often the slot was used: an answer that
 * comes twice finds nobody.
 *
 * Above: tcp.c, whose lock guards them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rdmafetch/transport.h"

#define SLOTS_NR	256u
#define SLOTS_BYTES_MAX (32u << 20) /* asked for */

struct slot {
	bool busy;
	uint16_t turn;
	uint32_t len_bytes;
	void *buf;
	uint64_t token;
};

/* Zeroed before first use. */
struct tcp_slots {
	unsigned nr_busy, next;
	size_t underway_bytes;
	struct slot slots[SLOTS_NR];
};

/* Whether @read has room. */
bool slots_fit(const struct tcp_slots *slots,
	       const struct transport_read *read);

/* Take @read, which has room.  Returns its id. */
uint32_t slots_take(struct tcp_slots *slots, const struct transport_read *read);

/* The slot of the read under way with this @id, or NULL. */
const struct slot *slots_find(const struct tcp_slots *slots, uint32_t id);

/* The read with this @id, which is under way, is over. */
void slots_free(struct tcp_slots *slots, uint32_t id, int result,
		struct transport_done *done);

/* Up to @max reads are over, all with @result.  Returns how many. */
unsigned slots_free_all(struct tcp_slots *slots, int result,
			struct transport_done *done, unsigned max);
