/* SPDX-License-Identifier: MIT */
/*
 * arena.c - chunks that double in size, linked newest first
 */
#include "common/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES ((size_t)64 << 10)
#define ARENA_CHUNK_MAX	  ((size_t)8 << 20)

struct arena {
	struct arena *older;
	size_t size_bytes, used_bytes;
	alignas(max_align_t) uint8_t bytes[];
};

static size_t chunk_bytes(const struct arena *newest, size_t need)
{
	size_t bytes = newest ? newest->size_bytes * 2 : ARENA_FIRST_BYTES;

	if (bytes > ARENA_CHUNK_MAX)
		bytes = ARENA_CHUNK_MAX;
	return bytes > need ? bytes : need;
}

/* calloc() hands fresh pages over untouched, so zeroing costs nothing extra. */
static struct arena *chunk_new(struct arena *older, size_t need)
{
	size_t bytes = chunk_bytes(older, need);
	struct arena *chunk = calloc(1, sizeof(*chunk) + bytes);

	if (!chunk)
		return NULL;
	chunk->older = older;
	chunk->size_bytes = bytes;
	return chunk;
}

void *arena_alloc(struct arena **arena, size_t bytes)
{
	const size_t align = alignof(max_align_t);
	struct arena *chunk = *arena;
	void *piece;

	if (bytes > PTRDIFF_MAX / 2)
		return NULL;
	bytes = (bytes + align - 1) & ~(align - 1);
	if (!chunk || chunk->size_bytes - chunk->used_bytes < bytes) {
		chunk = chunk_new(*arena, bytes);
		if (!chunk)
			return NULL;
		*arena = chunk;
	}
	piece = chunk->bytes + chunk->used_bytes;
	chunk->used_bytes += bytes;
	return piece;
}

void arena_free(struct arena *arena)
{
	while (arena) {
		struct arena *older = arena->older;

		free(arena);
		arena = older;
	}
}
