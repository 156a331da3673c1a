/* SPDX-License-Identifier: MIT */
/*
 * test_affinity.c - which CPUs threads of a child are bound to
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "loader/affinity.h"

static uint8_t first[] = {0x01}, second[] = {0x02}, far[] = {0, 0x80};

/* Threads bound to CPU 0, to 1, to 15, and not bound. */
static struct image_thread threads[] = {
	{.tid = 1, .cpus = first, .cpus_bytes = 1},
	{.tid = 2, .cpus = second, .cpus_bytes = 1},
	{.tid = 3, .cpus = far, .cpus_bytes = 2},
	{.tid = 4},
};

static const struct affinity many = {{0xff, 0xff, 0xff}}, few = {{0x06}};

static uint32_t ask(uint32_t nr, uint32_t i, const struct affinity *own,
		    bool same_host, struct affinity *ret)
{
	const struct image image = {.threads = threads, .nr_threads = nr};

	memset(ret, 0xaa, sizeof(*ret));
	return affinity_of(&image, i, own, same_host, ret);
}

static void threads_are_bound_as_they_were(void **state)
{
	struct affinity got;

	for (int same = 0; same < 2; same++) {
		assert_int_equal(ask(4, 0, &many, same, &got), 1);
		assert_int_equal(got.cpus[0], 0x01);
		assert_int_equal(ask(4, 1, &many, same, &got), 1);
		assert_int_equal(got.cpus[0], 0x02);
		assert_int_equal(ask(4, 2, &many, same, &got), 2);
		assert_memory_equal(got.cpus, far, 2);
		assert_int_equal(ask(4, 3, &many, same, &got), 0);
	}
}

static void what_the_loader_may_not_use_is_not_asked_for(void **state)
{
	struct affinity got;

	assert_int_equal(ask(4, 0, &few, true, &got), 0);
	assert_int_equal(ask(4, 1, &few, true, &got), 1);
	assert_int_equal(got.cpus[0], 0x02);
	assert_int_equal(ask(4, 2, &few, true, &got), 0);
}

static void a_process_bound_as_a_whole_is_free_elsewhere(void **state)
{
	struct image_thread second_now = threads[1];
	struct affinity got;

	assert_int_equal(ask(1, 0, &many, true, &got), 1);
	assert_int_equal(ask(1, 0, &many, false, &got), 0);
	threads[1].cpus = first;
	assert_int_equal(ask(2, 1, &many, true, &got), 1);
	assert_int_equal(ask(2, 1, &many, false, &got), 0);
	assert_int_equal(ask(3, 1, &many, false, &got), 1);
	threads[1] = second_now;
}

static void the_loaders_own_are_read(void **state)
{
	struct affinity own;
	bool any = false;

	affinity_read(&own);
	for (size_t i = 0; i < sizeof(own.cpus); i++)
		any |= own.cpus[i] != 0;
	assert_true(any);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_are_bound_as_they_were),
		cmocka_unit_test(what_the_loader_may_not_use_is_not_asked_for),
		cmocka_unit_test(a_process_bound_as_a_whole_is_free_elsewhere),
		cmocka_unit_test(the_loaders_own_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
