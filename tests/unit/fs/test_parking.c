/* SPDX-License-Identifier: MIT */
/* Who is being killed, and who only got a signal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/parking.h"

static void sigkill_pending_for_the_thread_is_death(void **state)
{
	assert_true(
		parking_is_dying("Name:\tcat\nState:\tD (disk sleep)\n"
				 "SigQ:\t1/96000\n"
				 "SigPnd:\t0000000000000100\n"
				 "ShdPnd:\t0000000000000000\n"));
	assert_true(parking_is_dying("\nSigPnd:\t0000000000004300\n"));
}

static void any_other_signal_is_not(void **state)
{
	assert_false(
		parking_is_dying("\nSigPnd:\t0000000000000000\n"
				 "ShdPnd:\t0000000000000100\n"));
	assert_false(parking_is_dying("\nSigPnd:\t0000000000002a80\n"));
	assert_false(parking_is_dying("Name:\tSigPnd:\t100\n"));
	assert_false(parking_is_dying("\nSigPnd:\n"));
	assert_false(parking_is_dying(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sigkill_pending_for_the_thread_is_death),
		cmocka_unit_test(any_other_signal_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
