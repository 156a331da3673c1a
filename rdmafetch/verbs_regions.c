/* SPDX-License-Identifier: MIT */
/*
 * verbs_regions.c - two sorted arrays and a binary search
 */
#include "rdmafetch/verbs_regions.h"

#include <stdlib.h>
#include <string.h>

#define RANGES_MAX 256u

/* ---- regions ---- */

static uint64_t end_of(const struct wire_region *region)
{
	return region->raddr + region->len_bytes;
}

/* The first region that ends after @raddr. */
static size_t region_after(const struct verbs_regions *regions, uint64_t raddr)
{
	size_t lo = 0, hi = regions->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (end_of(&regions->at[mid]) <= raddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

unsigned verbs_regions_cut(const struct verbs_regions *regions, uint64_t raddr,
			   uint32_t len_bytes,
			   struct verbs_piece ret_pieces[VERBS_PIECES_MAX])
{
	size_t at = region_after(regions, raddr);
	unsigned nr = 0;

	for (; len_bytes; at++) {
		const struct wire_region *region = &regions->at[at];
		uint64_t most;

		if (at == regions->nr || region->raddr > raddr ||
		    nr == VERBS_PIECES_MAX)
			return 0;
		most = end_of(region) - raddr;
		if (most > len_bytes)
			most = len_bytes;
		ret_pieces[nr++] = (struct verbs_piece){raddr, (uint32_t)most,
							region->rkey};
		raddr += most;
		len_bytes -= (uint32_t)most;
	}
	return nr;
}

/* ---- refused ---- */

struct range {
	uint64_t from, to;
};

/* Sorted; ranges neither overlap nor touch. */
struct verbs_refused {
	struct range at[RANGES_MAX];
	unsigned nr;
	bool all;
};

struct verbs_refused *verbs_refused_new(void)
{
	return calloc(1, sizeof(struct verbs_refused));
}

void verbs_refused_free(struct verbs_refused *refused)
{
	free(refused);
}

/* The first range that ends at @from or later. */
static unsigned range_after(const struct verbs_refused *refused, uint64_t from)
{
	unsigned lo = 0, hi = refused->nr;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (refused->at[mid].to < from)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Put @new in place of the ranges from @at to before @end. */
static void replace(struct verbs_refused *refused, unsigned at, unsigned end,
		    struct range new)
{
	if (at == end && refused->nr == RANGES_MAX) {
		refused->all = true;
		return;
	}
	memmove(&refused->at[at + 1], &refused->at[end],
		(refused->nr - end) * sizeof(refused->at[0]));
	refused->at[at] = new;
	refused->nr = refused->nr - (end - at) + 1;
}

void verbs_refused_add(struct verbs_refused *refused, uint64_t raddr,
		       uint32_t len_bytes)
{
	struct range new = {raddr, raddr + len_bytes};
	unsigned at = range_after(refused, raddr), end = at;

	for (; end < refused->nr && refused->at[end].from <= new.to; end++) {
		if (refused->at[end].from < new.from)
			new.from = refused->at[end].from;
		if (refused->at[end].to > new.to)
			new.to = refused->at[end].to;
	}
	replace(refused, at, end, new);
}

bool verbs_refused_has(const struct verbs_refused *refused, uint64_t raddr,
		       uint32_t len_bytes)
{
	unsigned at = range_after(refused, raddr + 1);

	return refused->all ||
	       (at < refused->nr && refused->at[at].from < raddr + len_bytes);
}
