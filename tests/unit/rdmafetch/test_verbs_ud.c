/* SPDX-License-Identifier: MIT */
/*
 * test_verbs_ud.c - from whom a datagram came, by its head
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "rdmafetch/verbs_ud.h"

#define HEAD 40u
#define IPV4 20u /* where its header begins */

static uint8_t memory[HEAD + DGRAM_MAX_BYTES];
static const struct verbs_ud ud = {.memory = memory, .nr_recvs = 1};
static uint8_t from[16], to[16];

/* From fd00::1 to fd00::2. */
static const uint8_t grh[HEAD] = {
	0x60, 0, 0, 0, 0, 44, 0x1b, 64, 0xfd, [23] = 1, [24] = 0xfd, [39] = 2};

/* From 10.9.0.2 to 10.9.0.1, with its checksum. */
static const uint8_t ipv4[HEAD - IPV4] = {0x45, 0,  0,	68,   0,    1,	0x40,
					  0,	64, 17, 0x26, 0x94, 10, 9,
					  0,	2,  10, 9,    0,    1};

static const uint8_t is_2[16] = {[10] = 0xff, 0xff, 10, 9, 0, 2};
static const uint8_t is_1[16] = {[10] = 0xff, 0xff, 10, 9, 0, 1};

static void ipv6_is_all_of_it(void **state)
{
	memcpy(memory, grh, HEAD);
	verbs_ud_ways(&ud, 0, from, to);
	assert_memory_equal(from, grh + 8, 16);
	assert_memory_equal(to, grh + 24, 16);
}

static void ipv4_is_its_end(void **state)
{
	memset(memory, 0, HEAD);
	memcpy(memory + IPV4, ipv4, sizeof(ipv4));
	verbs_ud_ways(&ud, 0, from, to);
	assert_memory_equal(from, is_2, 16);
	assert_memory_equal(to, is_1, 16);
}

/* A device need not write what stands before it. */
static void ipv4_is_seen_behind_what_was_there(void **state)
{
	memcpy(memory, grh, HEAD);
	memcpy(memory + IPV4, ipv4, sizeof(ipv4));
	verbs_ud_ways(&ud, 0, from, to);
	assert_memory_equal(from, is_2, 16);
	assert_memory_equal(to, is_1, 16);
}

/* Addresses that begin as an IPv4 header does: its sum is not right. */
static void ipv6_is_not_taken_for_ipv4(void **state)
{
	memcpy(memory, grh, HEAD);
	memory[IPV4] = 0x45;
	verbs_ud_ways(&ud, 0, from, to);
	assert_memory_equal(from, memory + 8, 16);
	assert_memory_equal(to, grh + 24, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv6_is_all_of_it),
		cmocka_unit_test(ipv4_is_its_end),
		cmocka_unit_test(ipv4_is_seen_behind_what_was_there),
		cmocka_unit_test(ipv6_is_not_taken_for_ipv4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
