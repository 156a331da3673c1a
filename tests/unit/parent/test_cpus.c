/* SPDX-License-Identifier: MIT */
/*
 * test_cpus.c - what threads were bound to is kept, what they may use is not
 */
#include "tests/unit/parent/cmocka_env.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "parent/cpus.h"
#include "tests/unit/parent/victim.h"

static cpu_set_t allowed, only;

static void use_one(void *arg)
{
	if (sched_setaffinity(0, sizeof(only), &only))
		_exit(99);
}

static void use_all(void *arg)
{
}

/* The first CPU alone; skips where there is no other. */
static void choose(void)
{
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	if (CPU_COUNT(&allowed) < 2)
		skip();
	while (!CPU_ISSET(cpu, &allowed))
		cpu++;
	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
}

static void what_was_bound_is_kept(void **state)
{
	struct image_thread threads[3] = {0};
	struct image image = {.threads = threads, .nr_threads = 3};
	pid_t bound, free_, twin;
	cpu_set_t got;

	choose();
	bound = victim_start(use_one, NULL);
	free_ = victim_start(use_all, NULL);
	twin = victim_start(use_all, NULL);
	assert_true(bound > 0 && free_ > 0 && twin > 0);
	assert_int_equal(cpus_take(bound, &threads[0]), 0);
	assert_int_equal(cpus_take(free_, &threads[1]), 0);
	assert_int_equal(cpus_take(bound, &threads[2]), 0);
	assert_true(threads[1].cpus_bytes > 0);
	cpus_settle(twin, &image);
	assert_int_equal(threads[1].cpus_bytes, 0);
	assert_null(threads[1].cpus);
	for (int i = 0; i < 3; i += 2) {
		CPU_ZERO(&got);
		assert_in_range(threads[i].cpus_bytes, 1, sizeof(got));
		memcpy(&got, threads[i].cpus, threads[i].cpus_bytes);
		assert_true(CPU_EQUAL(&got, &only));
	}
	/* Nobody to compare with: nothing is known of anybody. */
	victim_end(twin);
	cpus_settle(twin, &image);
	assert_int_equal(threads[0].cpus_bytes, 0);
	assert_null(threads[2].cpus);
	victim_end(bound);
	victim_end(free_);
}

static void nobody_has_no_cpus(void **state)
{
	struct image_thread thread = {0};

	assert_int_equal(cpus_take(IMAGE_TID_MAX + 1, &thread), 0);
	assert_int_equal(thread.cpus_bytes, 0);
	assert_null(thread.cpus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_bound_is_kept),
		cmocka_unit_test(nobody_has_no_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
