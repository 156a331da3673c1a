/* SPDX-License-Identifier: MIT */
/*
 * arena.c - mapped chunks that double in size, linked newest first
 *
 * Under AddressSanitizer all that was not given out is poisoned, with a gap
 * behind each piece: a fuzzer then sees an overrun as it would with malloc().
 */
#include "common/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <sys/mman.h>

#include "common/page.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define GAP_BYTES alignof(max_align_t)
#else
#define GAP_BYTES			     0u
#define ASAN_POISON_MEMORY_REGION(at, len)   ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

#define ARENA_CHUNK_MIN ((size_t)64 << 10)
#define ARENA_CHUNK_MAX ((size_t)8 << 20)

struct arena {
	struct arena *older;
	size_t map_bytes;
	size_t left_bytes; /* at the end of the map */
	alignas(max_align_t) uint8_t bytes[];
};

/* Fresh maps are zeros already. */
static struct arena *chunk_new(struct arena *older, size_t bytes)
{
	size_t map_bytes = page_ceil(sizeof(struct arena) + bytes);
	struct arena *chunk =
		mmap(NULL, map_bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (chunk == MAP_FAILED)
		return NULL;
	chunk->older = older;
	chunk->map_bytes = map_bytes;
	chunk->left_bytes = map_bytes - sizeof(*chunk);
	ASAN_POISON_MEMORY_REGION(chunk->bytes, chunk->left_bytes);
	return chunk;
}

struct arena *arena_new(size_t expect_bytes)
{
	return expect_bytes > SIZE_MAX / 2 ? NULL
					   : chunk_new(NULL, expect_bytes);
}

/* The size of the chunk after @newest. */
static size_t next_bytes(const struct arena *newest, size_t need)
{
	size_t bytes = newest->map_bytes * 2;

	if (bytes < ARENA_CHUNK_MIN)
		bytes = ARENA_CHUNK_MIN;
	if (bytes > ARENA_CHUNK_MAX)
		bytes = ARENA_CHUNK_MAX;
	return bytes > need ? bytes : need;
}

void *arena_alloc(struct arena **arena, size_t bytes)
{
	const size_t align = alignof(max_align_t);
	struct arena *chunk = *arena;
	size_t taken;
	uint8_t *piece;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	taken = ((bytes + align - 1) & ~(align - 1)) + GAP_BYTES;
	if (chunk->left_bytes < taken) {
		chunk = chunk_new(*arena, next_bytes(*arena, taken));
		if (!chunk)
			return NULL;
		*arena = chunk;
	}
	piece = (uint8_t *)chunk + chunk->map_bytes - chunk->left_bytes;
	chunk->left_bytes -= taken;
	ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
	return piece;
}

void arena_free(struct arena *arena)
{
	while (arena) {
		struct arena *older = arena->older;

		ASAN_UNPOISON_MEMORY_REGION(arena, arena->map_bytes);
		(void)munmap(arena, arena->map_bytes);
		arena = older;
	}
}
