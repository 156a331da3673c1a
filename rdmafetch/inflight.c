/* SPDX-License-Identifier: MIT */
/*
 * inflight.c - a sorted array: short, and every look-up is a binary search
 */
#include "rdmafetch/inflight.h"

#include <string.h>

/* True when all of @flight lies before @raddr of @object. */
static bool before(const struct flight *flight, uint32_t object, uint64_t raddr)
{
	if (flight->object != object)
		return flight->object < object;
	return flight->raddr + flight->len_bytes <= raddr;
}

static unsigned place(const struct inflight *table, uint32_t object,
		      uint64_t raddr)
{
	unsigned lo = 0, hi = table->nr;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (before(table->at[mid], object, raddr))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void inflight_add(struct inflight *table, struct flight *flight)
{
	unsigned at;

	if (table->nr == INFLIGHT_MAX)
		return;
	at = place(table, flight->object, flight->raddr);
	memmove(&table->at[at + 1], &table->at[at],
		(table->nr - at) * sizeof(table->at[0]));
	table->at[at] = flight;
	table->nr++;
}

void inflight_del(struct inflight *table, struct flight *flight)
{
	unsigned at = place(table, flight->object, flight->raddr);

	if (at == table->nr || table->at[at] != flight)
		return;
	table->nr--;
	memmove(&table->at[at], &table->at[at + 1],
		(table->nr - at) * sizeof(table->at[0]));
}

struct flight *inflight_after(const struct inflight *table, uint32_t object,
			      uint64_t raddr)
{
	unsigned at = place(table, object, raddr);

	if (at == table->nr || table->at[at]->object != object)
		return NULL;
	return table->at[at];
}
