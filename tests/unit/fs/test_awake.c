/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/awake.h"

#define MS	    1000000ull
#define QOS_PATH    "/dev/cpu_dma_latency"
#define PATIENCE_MS 20000

static struct awake_credit full(uint64_t ms)
{
	return (struct awake_credit){.max_ns = ms * MS, .left_ns = ms * MS};
}

static void a_burst_is_held_until_it_ends(void **state)
{
	struct awake_credit credit = full(250);

	assert_false(awake_look(&credit, 10 * MS, false));
	assert_true(awake_look(&credit, 20 * MS, true));
	assert_true(awake_look(&credit, 40 * MS, true));
	assert_false(awake_look(&credit, 60 * MS, false));
	assert_int_equal(credit.left_ns, 210 * MS);
	/* What was not used is there for the next at once. */
	assert_true(awake_look(&credit, 60 * MS, true));
}

static void a_long_burst_uses_its_credit_up(void **state)
{
	struct awake_credit credit = full(250);
	uint64_t at;

	for (at = 0; at < 250; at += 10)
		assert_true(awake_look(&credit, at * MS, true));
	assert_false(awake_look(&credit, at * MS, true));
	assert_int_equal(credit.left_ns, 0);
	/* Faults that go on find an eighth of it, and not before. */
	assert_false(awake_look(&credit, (at + 499) * MS, true));
	assert_true(awake_look(&credit, (at + 501) * MS, true));
}

static void credit_comes_back_and_no_more(void **state)
{
	struct awake_credit credit = full(100);

	assert_true(awake_look(&credit, 0, true));
	assert_false(awake_look(&credit, 100 * MS, true));
	assert_false(awake_look(&credit, 900 * MS, false));
	assert_int_equal(credit.left_ns, 50 * MS);
	assert_false(awake_look(&credit, 90000 * MS, false));
	assert_int_equal(credit.left_ns, 100 * MS);
}

/* However faults come: a burst, and a sixteenth of the time. */
static void all_in_all_little_is_held(void **state)
{
	struct awake_credit credit = full(250);
	uint64_t held_ms = 0;

	for (uint64_t ms = 0; ms < 100000; ms += 20)
		held_ms += awake_look(&credit, ms * MS, true) ? 20 : 0;
	assert_in_range(held_ms, 250, 250 + 100000 / 16 + 20);
}

/* The same of a credit shorter than the time between looks, and of late looks.
 */
static void a_short_credit_is_no_longer_one(void **state)
{
	for (uint64_t max_ms = 1; max_ms <= 40; max_ms += 3) {
		struct awake_credit credit = full(max_ms);
		uint64_t at = 0, held_ns = 0, next;

		while (at < 100000 * MS) {
			bool held = awake_look(&credit, at, true);

			next = at + awake_look_in_ns(&credit);
			assert_true(next > at && next <= at + 20 * MS);
			assert_true(!held || next - at <= max_ms * MS);
			held_ns += held ? next - at : 0;
			at = next;
		}
		assert_in_range(held_ns, max_ms * MS,
				(100000 / 16 + 2 * max_ms) * MS);
	}
}

static void what_a_late_look_has_cost_is_made_up(void **state)
{
	struct awake_credit credit = full(1);

	assert_true(awake_look(&credit, 0, true));
	assert_false(awake_look(&credit, 50 * MS, true)); /* 49 too many */
	assert_false(awake_look(&credit, (50 + 49 * 16) * MS, true));
	assert_int_equal(credit.left_ns, 0);
	assert_true(awake_look(&credit, (50 + 50 * 16) * MS, true));
}

static void none_is_none(void **state)
{
	assert_null(awake_open(0));
	awake_read(NULL);
	awake_close(NULL);
}

/* What all who ask the kernel agree on; -1: it does not tell. */
static int32_t asked_us(void)
{
	int fd = open(QOS_PATH, O_RDONLY | O_CLOEXEC);
	int32_t us = -1;

	if (fd >= 0 && read(fd, &us, sizeof(us)) != sizeof(us))
		us = -1;
	(void)close(fd);
	return us;
}

static bool comes_to_sleep(void)
{
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		if (asked_us() > 0)
			return true;
		(void)usleep(1000);
	}
	return false;
}

static void the_kernel_is_asked_for_a_burst(void **state)
{
	struct awake *awake;

	if (asked_us() <= 0)
		skip(); /* it does not tell, or somebody else asks */
	awake = awake_open(60000);
	assert_non_null(awake);
	assert_int_equal(asked_us(), 0);
	assert_true(comes_to_sleep());
	awake_read(awake);
	assert_int_equal(asked_us(), 0);
	awake_close(awake);
	assert_true(comes_to_sleep()); /* others may ask, too, for a while */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_held_until_it_ends),
		cmocka_unit_test(a_long_burst_uses_its_credit_up),
		cmocka_unit_test(credit_comes_back_and_no_more),
		cmocka_unit_test(all_in_all_little_is_held),
		cmocka_unit_test(a_short_credit_is_no_longer_one),
		cmocka_unit_test(what_a_late_look_has_cost_is_made_up),
		cmocka_unit_test(none_is_none),
		cmocka_unit_test(the_kernel_is_asked_for_a_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
