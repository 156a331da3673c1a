/* SPDX-License-Identifier: MIT */
/*
 * test_siphash.c - against the values of SipHash's authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/siphash.h"

/* Key and input of the paper's appendix A: 0, 1, 2 ... */
static const struct siphash_key key = {0x0706050403020100ull,
				       0x0f0e0d0c0b0a0908ull};

/* At the end of a piece of memory that is no longer: ASan sees what is read. */
static uint64_t hash_of(size_t len)
{
	uint8_t *bytes = malloc(len + !len);
	uint64_t hash;

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)i;
	hash = siphash(&key, bytes, len);
	free(bytes);
	return hash;
}

static void hashes_are_the_authors(void **state)
{
	/* vectors_sip64 of their reference implementation */
	static const struct {
		size_t len;
		uint64_t hash;
	} wanted[] = {
		{0, 0x726fdb47dd0e0e31ull},  {1, 0x74f839c593dc67fdull},
		{7, 0xab0200f58b01d137ull},  {8, 0x93f5f5799a932462ull},
		{15, 0xa129ca6149be45e5ull},
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_int_equal(hash_of(wanted[i].len), wanted[i].hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_the_authors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
