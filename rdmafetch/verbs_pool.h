/* SPDX-License-Identifier: MIT */
/*
 * verbs_pool.h - which pieces of one client's registered memory are lent
 *
 * Above: verbs_loans.c, which has the memory.  Pure: no locks, no memory of its
 * own.
 */
#pragma once

#include <stdint.h>

#define VERBS_POOL_UNITS      1024u
#define VERBS_POOL_UNIT_BYTES 4096u

/* Zeroed: all is free. */
struct verbs_pool {
	uint64_t used[VERBS_POOL_UNITS / 64];
	unsigned nr_used;
};

/* Take @nr units that follow each other, the first that fit.  Returns the first
 * one's number, or -1: no such run is free, or @nr is 0. */
int verbs_pool_take(struct verbs_pool *pool, unsigned nr);

/* Give back what verbs_pool_take() gave for @nr. */
void verbs_pool_put(struct verbs_pool *pool, unsigned first, unsigned nr);
