/* SPDX-License-Identifier: MIT */
/* verbs_pool.c - see verbs_pool.h */
#include "rdmafetch/verbs_pool.h"

#include <stdbool.h>

static bool is_used(const struct verbs_pool *pool, unsigned unit)
{
	return pool->used[unit / 64] >> (unit % 64) & 1;
}

/* The first free unit from @unit on, or VERBS_POOL_UNITS. */
static unsigned next_free(const struct verbs_pool *pool, unsigned unit)
{
	while (unit < VERBS_POOL_UNITS) {
		uint64_t free = ~pool->used[unit / 64] >> (unit % 64);

		if (free)
			return unit + (unsigned)__builtin_ctzll(free);
		unit = (unit / 64 + 1) * 64;
	}
	return VERBS_POOL_UNITS;
}

/* The first used unit from @unit on, but not past @end. */
static unsigned next_used(const struct verbs_pool *pool, unsigned unit,
			  unsigned end)
{
	while (unit < end && !is_used(pool, unit))
		unit++;
	return unit;
}

static void flip(struct verbs_pool *pool, unsigned first, unsigned nr)
{
	for (unsigned unit = first; unit < first + nr; unit++)
		pool->used[unit / 64] ^= 1ull << (unit % 64);
}

int verbs_pool_take(struct verbs_pool *pool, unsigned nr)
{
	unsigned first = 0, end;

	if (!nr || nr > VERBS_POOL_UNITS - pool->nr_used)
		return -1;
	for (;;) {
		first = next_free(pool, first);
		if (first + nr > VERBS_POOL_UNITS)
			return -1;
		end = next_used(pool, first, first + nr);
		if (end == first + nr)
			break;
		first = end;
	}
	flip(pool, first, nr);
	pool->nr_used += nr;
	return (int)first;
}

void verbs_pool_put(struct verbs_pool *pool, unsigned first, unsigned nr)
{
	flip(pool, first, nr);
	pool->nr_used -= nr;
}
