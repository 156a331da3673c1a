/* SPDX-License-Identifier: MIT */
/*
 * test_dgram_cookie.c - for whom a cookie is good, and how long
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rdmafetch/dgram_cookie.h"
#include "rdmafetch/dgram_guests.h"

#define NOW_NS (7 * DGRAM_COOKIE_NS + 5)

static const struct siphash_key secret = {1, 2};
static const struct dgram_peer peer = {.gid = {1, 2, 3}, .qpn = 17};

static bool is_good(const struct dgram_peer *of, uint64_t now_ns)
{
	return dgram_cookie_is_good(&secret, of, now_ns,
				    dgram_cookie_make(&secret, &peer, NOW_NS));
}

static void good_for_its_owner_for_a_while(void **state)
{
	assert_true(is_good(&peer, NOW_NS));
	assert_true(is_good(&peer, NOW_NS + DGRAM_COOKIE_NS));
	assert_false(is_good(&peer, NOW_NS + 2 * DGRAM_COOKIE_NS));
	assert_false(is_good(&peer, NOW_NS - DGRAM_COOKIE_NS));
	assert_true(dgram_cookie_is_good(&secret, &peer, 1,
					 dgram_cookie_make(&secret, &peer, 0)));
}

static void good_for_nobody_else(void **state)
{
	struct dgram_peer other = peer;
	struct siphash_key one, two;

	other.qpn++;
	assert_false(is_good(&other, NOW_NS));
	other = peer;
	other.gid[15]++;
	assert_false(is_good(&other, NOW_NS));
	other = peer;
	other.here[15]++;
	assert_false(is_good(&other, NOW_NS));
	/* How long its datagrams may be is not known yet. */
	other = peer;
	other.max_bytes = 1024;
	assert_true(is_good(&other, NOW_NS));
	dgram_cookie_init(&one);
	dgram_cookie_init(&two);
	assert_int_not_equal(dgram_cookie_make(&one, &peer, NOW_NS),
			     dgram_cookie_make(&two, &peer, NOW_NS));
}

static void no_cookie_is_none(void **state)
{
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_not_equal(
			dgram_cookie_make(&secret, &peer, i * DGRAM_COOKIE_NS),
			0);
	assert_false(dgram_cookie_is_good(&secret, &peer, NOW_NS, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_for_its_owner_for_a_while),
		cmocka_unit_test(good_for_nobody_else),
		cmocka_unit_test(no_cookie_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
