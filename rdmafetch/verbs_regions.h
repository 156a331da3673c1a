/* SPDX-License-Identifier: MIT */
/*
 * verbs_regions.h - which pages can be read one-sided, and under which key
 *
 *     image    [ vma ][ vma ]      [ vma ]  [ vma ]
 *     regions  [ rkey 7     ]      [rkey 9]            as EXPORT told them
 *     refused                       [ ]                a READ failed there
 *     a read       [======]  [==]  [======]   one-sided, message, message
 *
 * A READ that the far end's device refuses breaks the whole connection, so its
 * range is remembered for as long as the mount lives, and goes by message.
 *
 * Above: verbs_post.c.  Pure: no I/O, no locks; the caller serializes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

/* Regions of one read; what takes more goes by message. */
#define VERBS_PIECES_MAX 4u

/* What the far end exports: sorted, never overlapping. */
struct verbs_regions {
	struct wire_region *at; /* owned, or NULL */
	size_t nr;
};

/* A part of a read that lies in one region. */
struct verbs_piece {
	uint64_t raddr;
	uint32_t len_bytes, rkey;
};

/*
 * Cut @len_bytes at @raddr into pieces of one region each.  Returns how many,
 * or 0 when the regions do not cover all of it with VERBS_PIECES_MAX pieces.
 * O(log n).
 */
unsigned verbs_regions_cut(const struct verbs_regions *regions, uint64_t raddr,
			   uint32_t len_bytes,
			   struct verbs_piece ret_pieces[VERBS_PIECES_MAX]);

struct verbs_refused;

/* An empty set, or NULL without memory. */
struct verbs_refused *verbs_refused_new(void);

/*
 * A READ of the range was refused.  Never fails: a set that is full says yes
 * to everything from then on.
 */
void verbs_refused_add(struct verbs_refused *refused, uint64_t raddr,
		       uint32_t len_bytes);

/* Whether any byte of the range was refused before. */
bool verbs_refused_has(const struct verbs_refused *refused, uint64_t raddr,
		       uint32_t len_bytes);

/* NULL is allowed. */
void verbs_refused_free(struct verbs_refused *refused);
