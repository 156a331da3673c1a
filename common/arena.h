/* SPDX-License-Identifier: MIT */
/*
 * arena.h - memory that is given out in pieces and taken back at once
 *
 * For a decoded image: thousands of small strings and arrays with one lifetime.
 * Its pages come populated: a page fault per page costs ten times the copy that
 * fills it.  Used by common/codec.c, desc.c and image.c.  One thread at a time.
 */
#pragma once

#include <stddef.h>

struct arena;

/*
 * An arena with room for about @expect_bytes, or NULL without memory.  It grows
 * when the guess was low.
 */
struct arena *arena_new(size_t expect_bytes);

/*
 * @bytes of zeroed memory, aligned for any type, from *@arena.
 *
 * Returns NULL without memory; what was given out before stays valid.
 */
void *arena_alloc(struct arena **arena, size_t bytes);

/* Free all that came from @arena; NULL is allowed. */
void arena_free(struct arena *arena);
