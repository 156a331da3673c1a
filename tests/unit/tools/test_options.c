/* SPDX-License-Identifier: MIT */
/* test_options.c - what mitosis-bench takes for a parent and for a list */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/bench/options.h"

static void test_parents(void **state)
{
	static const char *const bad[] = {
		"",	    "c",	"c-",
		"c-m",	    "c-0m",	"c-12",
		"c-12g",    "c--1m",	"rust-1m",
		"python-m", "python-1", "c-99999999m",
		"c-1m ",    "c-0x10m",	"python-000000000000000001m",
	};
	struct bench_parent parent;

	(void)state;
	assert_int_equal(options_parent("c-64m", &parent), 0);
	assert_false(parent.python);
	assert_int_equal(parent.mib, 64);
	assert_string_equal(parent.name, "c-64m");
	assert_int_equal(options_parent("python-200m", &parent), 0);
	assert_true(parent.python);
	assert_int_equal(parent.mib, 200);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(options_parent(bad[i], &parent), 0);
	assert_int_equal(parent.mib, 200);
}

static void test_lists(void **state)
{
	static const char *const bad[] = {
		"",
		",",
		"1,",
		",1",
		"1,,2",
		"0",
		"101",
		"1;2",
		"1, 2",
		"x",
		"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
	};
	struct options_list list;

	(void)state;
	assert_int_equal(options_list("100", 1, 100, &list), 0);
	assert_int_equal(list.nr, 1);
	assert_int_equal(list.items[0], 100);
	assert_int_equal(options_list("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
				      1, 100, &list),
			 0);
	assert_int_equal(list.nr, 16);
	assert_int_equal(list.items[15], 16);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(options_list(bad[i], 1, 100, &list), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parents),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
