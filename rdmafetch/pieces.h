/* SPDX-License-Identifier: MIT */
/*
 * pieces.h - what of a read must be fetched, and what is zeros
 *
 *     asked for   [ hole | present | hole | present | hole ]
 *     becomes       zeros   piece    zeros  piece    zeros
 *
 * Above: fetch.c.  Pure but for the zeros it writes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/image.h"

#define PIECES_MAX 32u

/* Bytes that the image has, and where they go. */
struct piece {
	uint64_t raddr;
	uint64_t len_bytes;
	char *buf;
};

struct pieces {
	unsigned nr;
	uint64_t end; /* all before this is zeroed or in a piece */
	struct piece at[PIECES_MAX];
};

/* Whether so much may be asked for: whole pages of memory, files that are. */
bool pieces_legal(const struct image *image, uint32_t object, uint64_t raddr,
		  size_t len_bytes);

/*
 * Zero the holes of @range of @object (enum source_object) in its buffer, and
 * list its pieces: as far as they fit, to ret->end.
 */
void pieces_find(const struct image *image, uint32_t object,
		 const struct piece *range, struct pieces *ret);
