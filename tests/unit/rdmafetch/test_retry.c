/* SPDX-License-Identifier: MIT */
/*
 * test_retry.c - who waits, who is told, and what may pass
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "rdmafetch/retry.h"

static const struct retry_manner soft = {.can_reopen = true};
static const struct retry_manner hard = {.can_reopen = true, .hard = true};

static void soft_reads_stay_queued_for_their_tries(void **state)
{
	assert_int_equal(retry_after_break(soft), 0);
	assert_int_equal(retry_after_look(soft, -ECONNREFUSED), 0);
}

static void hard_reads_go_back_to_who_waits(void **state)
{
	assert_int_equal(retry_after_break(hard), -ENOTCONN);
	assert_int_equal(retry_after_look(hard, -ETIMEDOUT), -ENOTCONN);
}

static void what_is_gone_for_good_is_waited_for_by_nobody(void **state)
{
	struct retry_manner manner = hard;

	assert_int_equal(retry_after_look(hard, -ESTALE), -ESTALE);
	assert_int_equal(retry_after_look(soft, -ESTALE), -ESTALE);
	manner.can_reopen = false;
	assert_int_equal(retry_after_break(manner), -EIO);
	manner.can_reopen = true;
	manner.stopped = true;
	assert_int_equal(retry_after_break(manner), -EIO);
	assert_int_equal(retry_after_look(manner, -ETIMEDOUT), -EIO);
}

static void pauses_grow_to_a_second(void **state)
{
	assert_int_equal(retry_pause_ms(0), 10);
	assert_int_equal(retry_pause_ms(1), 20);
	assert_int_equal(retry_pause_ms(6), 640);
	assert_int_equal(retry_pause_ms(7), 1000);
	assert_int_equal(retry_pause_ms(UINT32_MAX), 1000);
}

static void silence_may_pass_and_refusals_do_not(void **state)
{
	assert_true(retry_may_pass(-ECONNREFUSED));
	assert_true(retry_may_pass(-ETIMEDOUT));
	assert_true(retry_may_pass(-EHOSTUNREACH));
	assert_true(retry_may_pass(-EAGAIN));
	assert_false(retry_may_pass(-ENOENT));
	assert_false(retry_may_pass(-ESTALE));
	assert_false(retry_may_pass(-EACCES));
	assert_false(retry_may_pass(-EPROTONOSUPPORT));
	assert_false(retry_may_pass(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(soft_reads_stay_queued_for_their_tries),
		cmocka_unit_test(hard_reads_go_back_to_who_waits),
		cmocka_unit_test(what_is_gone_for_good_is_waited_for_by_nobody),
		cmocka_unit_test(pauses_grow_to_a_second),
		cmocka_unit_test(silence_may_pass_and_refusals_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
