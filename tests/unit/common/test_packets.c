/* SPDX-License-Identifier: MIT */
/*
 * test_packets.c - whole messages are found, broken ones are not
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/packets.h"

static const uint8_t three[] = "\3\0one\1\0x\5\0three";
#define THREE_BYTES (sizeof(three) - 1)

static void they_come_one_by_one(void **state)
{
	static const char *const want[] = {"one", "x", "three"};
	size_t at = 0, bytes;

	for (int i = 0; i < 3; i++) {
		const uint8_t *packet =
			packets_next(three, THREE_BYTES, &at, &bytes);

		assert_non_null(packet);
		assert_int_equal(bytes, strlen(want[i]));
		assert_memory_equal(packet, want[i], bytes);
	}
	assert_int_equal(at, THREE_BYTES);
	assert_null(packets_next(three, THREE_BYTES, &at, &bytes));
	assert_int_equal(at, THREE_BYTES);
}

static void only_whole_ones_are_right(void **state)
{
	for (size_t len = 0; len <= THREE_BYTES; len++)
		assert_int_equal(packets_ok(three, len),
				 len == 0 || len == 5 || len == 8 ||
					 len == THREE_BYTES);
	assert_false(packets_ok((const uint8_t *)"\0\0", 2));
	assert_false(packets_ok((const uint8_t *)"\0\0\1\0x", 5));
}

static void what_is_put_is_found(void **state)
{
	static uint8_t bytes[2 * (2 + PACKETS_BYTES_MAX)];
	uint8_t *at = bytes;
	size_t from = 0, len;

	for (int i = 0; i < 2; i++) {
		at = packets_head(at, PACKETS_BYTES_MAX);
		memset(at, 'a' + i, PACKETS_BYTES_MAX);
		at += PACKETS_BYTES_MAX;
	}
	assert_true(packets_ok(bytes, sizeof(bytes)));
	for (int i = 0; i < 2; i++) {
		const uint8_t *packet =
			packets_next(bytes, sizeof(bytes), &from, &len);

		assert_non_null(packet);
		assert_int_equal(len, PACKETS_BYTES_MAX);
		assert_int_equal(packet[len - 1], 'a' + i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_come_one_by_one),
		cmocka_unit_test(only_whole_ones_are_right),
		cmocka_unit_test(what_is_put_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
