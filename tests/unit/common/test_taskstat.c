/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/taskstat.h"

#define FIELDS                                                                 \
	" 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 "  \
	"26 27 28 29 30 31 32 33 34 35"

static void all_is_found_behind_any_name(void **state)
{
	struct taskstat stat = {0};

	assert_int_equal(
		taskstat_parse("7 (a) 5 (b 9) S" FIELDS " 3 40 41", &stat), 0);
	assert_int_equal(stat.state, 'S');
	assert_int_equal(stat.cpu, 3);
	assert_int_equal(taskstat_parse("7 () R" FIELDS " 1023", &stat), 0);
	assert_int_equal(stat.state, 'R');
	assert_int_equal(stat.cpu, 1023);
}

static void what_is_no_such_text_is_refused(void **state)
{
	static const char *const texts[] = {
		"7 (x) S" FIELDS " 1024 40",
		"7 (x) S" FIELDS " -1 40",
		"7 (x) S" FIELDS " 99999999999",
		"7 (x) S" FIELDS,
		"7 (x) S" FIELDS " ",
		"7 (x) S 1 2 3",
		"7 (x)",
		"7 x S" FIELDS " 3",
		"",
	};
	struct taskstat stat = {'?', -7};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(taskstat_parse(texts[i], &stat), -EPROTO);
	assert_int_equal(stat.state, '?');
	assert_int_equal(stat.cpu, -7);
}

static void we_run_where_it_says(void **state)
{
	struct taskstat stat = {0};
	cpu_set_t all, one;
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(taskstat_read(gettid(), &stat), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(stat.state, 'R');
	assert_int_equal(stat.cpu, cpu);
	assert_int_equal(taskstat_read(0x7fffffff, &stat), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_found_behind_any_name),
		cmocka_unit_test(what_is_no_such_text_is_refused),
		cmocka_unit_test(we_run_where_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
