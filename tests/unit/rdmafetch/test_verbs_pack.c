/* SPDX-License-Identifier: MIT */
/*
 * test_verbs_pack.c - messages that came in one SEND
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rdmafetch/verbs_pack.h"

#define NR 4u

/* Messages number 0 to NR - 1, with 0, 7, 14, ... bytes: how long all are. */
static uint32_t fill(uint8_t *out)
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < NR; i++) {
		const struct wire_header header = {
			.type = WIRE_NIL, .id = i, .body_bytes = 7 * i};

		wire_put_header(out + len, &header);
		memset(out + len + WIRE_HEADER_BYTES, (int)i, 7ul * i);
		len += WIRE_HEADER_BYTES + 7 * i;
	}
	return len;
}

static void all_come_out_in_order(void **state)
{
	uint8_t bytes[VPACK_MAX_BYTES];
	struct vpack pack = {bytes, fill(bytes)};
	struct wire_header header;
	const uint8_t *body, *at = bytes;

	for (uint32_t i = 0; i < NR; i++) {
		assert_int_not_equal(pack.left_bytes, 0);
		assert_int_equal(vpack_next(&pack, &header, &body), 0);
		assert_int_equal(header.id, i);
		assert_int_equal(header.body_bytes, 7 * i);
		assert_ptr_equal(body, at + WIRE_HEADER_BYTES);
		at = body + header.body_bytes;
	}
	assert_int_equal(pack.left_bytes, 0);
	assert_int_equal(vpack_next(&pack, &header, &body), -EPROTO);
}

/* Cut anywhere: whole messages come, and nothing is read past the cut. */
static void a_part_of_a_message_is_none(void **state)
{
	uint8_t bytes[VPACK_MAX_BYTES];
	uint32_t len = fill(bytes), end, whole, nr;

	for (uint32_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut + !cut);
		struct vpack pack = {copy, cut};
		struct wire_header header;
		const uint8_t *body;

		memcpy(copy, bytes, cut);
		for (whole = end = nr = 0; nr < NR; nr++, whole++) {
			end += WIRE_HEADER_BYTES + 7 * nr;
			if (end > cut)
				break;
			assert_int_equal(vpack_next(&pack, &header, &body), 0);
		}
		assert_int_equal(vpack_next(&pack, &header, &body), -EPROTO);
		free(copy);
	}
}

static void a_body_is_bounded(void **state)
{
	static uint8_t bytes[2 * VPACK_MAX_BYTES];
	struct wire_header header = {.type = WIRE_NIL,
				     .body_bytes = WIRE_REQUEST_MAX};
	struct vpack pack = {bytes, VPACK_MAX_BYTES};
	const uint8_t *body;

	wire_put_header(bytes, &header);
	assert_int_equal(vpack_next(&pack, &header, &body), 0);
	assert_int_equal(pack.left_bytes, 0);
	header.body_bytes = WIRE_REQUEST_MAX + 1;
	wire_put_header(bytes, &header);
	pack = (struct vpack){bytes, sizeof(bytes)};
	assert_int_equal(vpack_next(&pack, &header, &body), -EPROTO);
	bytes[0] ^= 1;
	assert_int_equal(vpack_next(&pack, &header, &body), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_come_out_in_order),
		cmocka_unit_test(a_part_of_a_message_is_none),
		cmocka_unit_test(a_body_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
