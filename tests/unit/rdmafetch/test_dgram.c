/* SPDX-License-Identifier: MIT */
/*
 * test_dgram.c - the head of a datagram, and where pieces lie
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rdmafetch/dgram.h"

static const struct dgram_head heads[] = {
	{DGRAM_HELLO, 0, 77, 0, DGRAM_MAX_BYTES},
	{DGRAM_COOKIE, 0, UINT64_MAX, 0, DGRAM_MIN_BYTES},
	{DGRAM_PACK, 0, 1, 0, 0},
	{DGRAM_PULL, DGRAM_PULL_MAX, 2, 9, DGRAM_PIECES_MAX - 1},
	{DGRAM_PIECE, 0, 3, UINT32_MAX, 4},
	{DGRAM_LOST, 0, 4, 0, 0},
	{DGRAM_BYE, 0, 5, 0, 0},
};

#define NR (sizeof(heads) / sizeof(heads[0]))

static size_t body_of(const struct dgram_head *head)
{
	return head->kind == DGRAM_HELLO || head->kind == DGRAM_PACK ||
			       head->kind == DGRAM_PIECE
		       ? 8
		       : 0;
}

/* At the end of a piece of memory that is no longer: ASan sees what is read. */
static int get(const uint8_t *bytes, size_t len, struct dgram_head *ret)
{
	uint8_t *copy = malloc(len + !len);
	const uint8_t *body;
	size_t body_bytes = 0;
	int error;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	error = dgram_get(copy, len, ret, &body, &body_bytes);
	if (!error) {
		assert_ptr_equal(body, copy + DGRAM_HEAD_BYTES);
		assert_int_equal(body_bytes, len - DGRAM_HEAD_BYTES);
	}
	free(copy);
	return error;
}

static void each_kind_comes_back(void **state)
{
	for (size_t i = 0; i < NR; i++) {
		uint8_t bytes[DGRAM_HEAD_BYTES + 8] = {0};
		size_t len = DGRAM_HEAD_BYTES + body_of(&heads[i]);
		struct dgram_head head;

		dgram_put(bytes, &heads[i]);
		assert_int_equal(get(bytes, len, &head), 0);
		assert_int_equal(head.kind, heads[i].kind);
		assert_int_equal(head.nr, heads[i].nr);
		assert_int_equal(head.token, heads[i].token);
		assert_int_equal(head.id, heads[i].id);
		assert_int_equal(head.at, heads[i].at);
		/* With a body where none belongs, and the other way. */
		len = DGRAM_HEAD_BYTES + 8 - body_of(&heads[i]);
		assert_int_equal(get(bytes, len, &head), -EPROTO);
		for (len = 0; len < DGRAM_HEAD_BYTES; len++)
			assert_int_equal(get(bytes, len, &head), -EPROTO);
	}
}

/* The bytes of docs/protocol.md. */
static void head_is_laid_out_as_told(void **state)
{
	static const uint8_t wanted[DGRAM_HEAD_BYTES] = {
		'M', 'T', 'D', 'G', 1, DGRAM_PULL, 32, 0, 8, 7, 6, 5,
		4,   3,	  2,   1,   9, 0,	   0,  0, 2, 1, 0, 0,
	};
	const struct dgram_head head = {DGRAM_PULL, 32, 0x0102030405060708ull,
					9, 0x102};
	uint8_t bytes[DGRAM_HEAD_BYTES];

	dgram_put(bytes, &head);
	assert_memory_equal(bytes, wanted, sizeof(wanted));
}

static void what_no_kind_has_is_refused(void **state)
{
	static const struct dgram_head wrong[] = {
		{DGRAM_KINDS_END, 0, 1, 0, 0},
		{0, 0, 1, 0, 0},
		{DGRAM_PULL, 0, 1, 0, 0},
		{DGRAM_PULL, DGRAM_PULL_MAX + 1, 1, 0, 0},
		{DGRAM_PULL, 1, 1, 0, DGRAM_PIECES_MAX},
		{DGRAM_BYE, 1, 1, 0, 0},
		{DGRAM_BYE, 0, 1, 1, 0},
		{DGRAM_COOKIE, 0, 1, 0, DGRAM_MIN_BYTES - 1},
		{DGRAM_COOKIE, 0, 1, 0, DGRAM_MAX_BYTES + 1},
		{DGRAM_COOKIE, 0, 1, 1, DGRAM_MIN_BYTES},
	};
	uint8_t bytes[DGRAM_MAX_BYTES + 1] = {0};
	struct dgram_head head;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		dgram_put(bytes, &wrong[i]);
		assert_int_equal(get(bytes, DGRAM_HEAD_BYTES, &head), -EPROTO);
	}
	dgram_put(bytes, &heads[2]);
	assert_int_equal(get(bytes, DGRAM_MAX_BYTES, &head), 0);
	assert_int_equal(get(bytes, DGRAM_MAX_BYTES + 1, &head), -EPROTO);
	bytes[4]++; /* another version */
	assert_int_equal(get(bytes, DGRAM_MAX_BYTES, &head), -EPROTO);
	bytes[4]--;
	bytes[0]++;
	assert_int_equal(get(bytes, DGRAM_MAX_BYTES, &head), -EPROTO);
}

/* No byte is in two pieces, none in none; the longest answer has a number for
 * each. */
static void pieces_are_all_there_is(void **state)
{
	static const uint64_t lens[] = {24, 999, 1000, 1001, 2000, 2001};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		uint32_t nr = dgram_pieces(lens[i], 1024);

		assert_int_equal(nr, (lens[i] + 999) / 1000);
		assert_true(dgram_piece_offset(nr - 1, 1024) < lens[i]);
		assert_true(dgram_piece_offset(nr, 1024) >= lens[i]);
	}
	assert_true(dgram_pieces((uint64_t)WIRE_REPLY_MAX + WIRE_HEADER_BYTES,
				 DGRAM_MIN_BYTES) <= DGRAM_PIECES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_comes_back),
		cmocka_unit_test(head_is_laid_out_as_told),
		cmocka_unit_test(what_no_kind_has_is_refused),
		cmocka_unit_test(pieces_are_all_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
