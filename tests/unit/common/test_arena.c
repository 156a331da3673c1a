/* SPDX-License-Identifier: MIT */
/*
 * test_arena.c - pieces are aligned, zeroed, apart, and outlive a growth
 */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#define NR 500

static size_t piece_bytes(int i)
{
	return (size_t)(i * 37 % 2000);
}

static void test_pieces(void **state)
{
	struct arena *arena = arena_new(100);
	uint8_t *pieces[NR];

	assert_non_null(arena);
	for (int i = 0; i < NR; i++) {
		pieces[i] = arena_alloc(&arena, piece_bytes(i));
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t),
				 0);
		for (size_t j = 0; j < piece_bytes(i); j++)
			assert_int_equal(pieces[i][j], 0);
		memset(pieces[i], i, piece_bytes(i));
	}
	for (int i = 0; i < NR; i++)
		for (size_t j = 0; j < piece_bytes(i); j++)
			assert_int_equal(pieces[i][j], (uint8_t)i);
	arena_free(arena);
}

static void test_one_piece_over_any_chunk(void **state)
{
	const size_t bytes = (size_t)20 << 20;
	struct arena *arena = arena_new(0);
	uint8_t *piece;

	assert_non_null(arena);
	piece = arena_alloc(&arena, bytes);
	assert_non_null(piece);
	piece[0] = piece[bytes - 1] = 1;
	arena_free(arena);
}

static void test_impossible_sizes(void **state)
{
	struct arena *arena = arena_new(10);
	uint8_t *piece;

	assert_null(arena_new(SIZE_MAX));
	assert_non_null(arena);
	piece = arena_alloc(&arena, 10);
	assert_non_null(piece);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX / 2 - 4096));
	piece[9] = 1;
	arena_free(arena);
	arena_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_one_piece_over_any_chunk),
		cmocka_unit_test(test_impossible_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
