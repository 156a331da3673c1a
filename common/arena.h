/* SPDX-License-Identifier: MIT */
/*
 * arena.h - memory that is given out in pieces and taken back at once
 *
 * For a decoded image: thousands of small strings and arrays with one lifetime.
 * Used by common/codec.c and common/image.c.  One thread at a time.
 */
#pragma once

#include <stddef.h>

struct arena;

/*
 * @bytes of zeroed memory, aligned for any type, from *@arena (NULL at first).
 *
 * Returns NULL without memory; what was given out before stays valid.
 */
void *arena_alloc(struct arena **arena, size_t bytes);

/* Free all that came from @arena; NULL is allowed. */
void arena_free(struct arena *arena);
