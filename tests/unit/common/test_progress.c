/* SPDX-License-Identifier: MIT */
/*
 * test_progress.c - a bar that fits, a line of JSON, a sentence
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/progress.h"

#define MIB (1ull << 20)

static struct progress at(uint64_t done_mib, uint64_t all_mib)
{
	return (struct progress){
		.what = "host:/pid/12",
		.state = "running",
		.done_bytes = done_mib * MIB,
		.all_bytes = all_mib * MIB,
		.took_ns = 500000000,
	};
}

static void a_line_says_it_all(void **state)
{
	struct progress progress = at(50, 200);
	char line[PROGRESS_LINE_MAX + 1];

	progress_line(&progress, line);
	assert_string_equal(line,
			    "50.0 of 200.0 MiB (25 %) of host:/pid/12 "
			    "here, running, 100.0 MiB/s");
}

static void a_bar_fits(void **state)
{
	char line[PROGRESS_LINE_MAX + 1];

	for (unsigned columns = 0; columns < 400; columns++) {
		struct progress progress = at(1ull << 40, 1ull << 41);

		progress_bar(&progress, columns, line);
		assert_true(strlen(line) < (columns < 20 ? 20 : columns));
		assert_true(strlen(line) > 0);
	}
}

static unsigned count(const char *text, char c)
{
	unsigned nr = 0;

	for (; *text; text++)
		nr += *text == c;
	return nr;
}

static void a_bar_grows_with_what_is_done(void **state)
{
	char line[PROGRESS_LINE_MAX + 1];
	unsigned before = 0;

	for (uint64_t done = 0; done <= 100; done++) {
		struct progress progress = at(done, 100);

		progress_bar(&progress, 120, line);
		assert_int_equal(count(line, '#'), done * 40 / 100);
		assert_true(count(line, '#') >= before);
		before = count(line, '#');
	}
	assert_non_null(strstr(line, "100 %"));
	assert_int_equal(before, 40);
}

/* Nothing to bring is all of it; more than all cannot be. */
static void the_ends_are_whole(void **state)
{
	struct progress none = at(0, 0), more = at(300, 200);
	char line[PROGRESS_LINE_MAX + 1];

	none.took_ns = 0;
	progress_line(&none, line);
	assert_non_null(strstr(line, "(100 %)"));
	progress_bar(&more, 80, line);
	assert_non_null(strstr(line, "100 %"));
}

/* 99.9 % is not all. */
static void not_all_is_not_100(void **state)
{
	struct progress progress = at(9999, 10000);
	char line[PROGRESS_LINE_MAX + 1];

	progress_line(&progress, line);
	assert_non_null(strstr(line, "(99 %)"));
}

static void a_pipe_gets_json_now_and_then(void **state)
{
	struct progress progress = at(50, 200);
	struct progress_show show;
	char text[1024] = "";
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	show = progress_to(ends[1]);
	assert_false(show.tty);
	assert_int_equal(progress_pause_ms(&show), 1000);
	progress_tell(&show, &progress, false);
	show.next_ns = UINT64_MAX; /* it is not time */
	progress_tell(&show, &progress, false);
	progress_tell(&show, &progress, true);
	(void)close(ends[1]);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	(void)close(ends[0]);
	assert_int_equal(count(text, '\n'), 2);
	assert_int_equal(count(text, '{'), 2);
	assert_non_null(strstr(text, "\"done_bytes\": 52428800"));
	assert_null(strchr(text, '\r'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_says_it_all),
		cmocka_unit_test(a_bar_fits),
		cmocka_unit_test(a_bar_grows_with_what_is_done),
		cmocka_unit_test(the_ends_are_whole),
		cmocka_unit_test(not_all_is_not_100),
		cmocka_unit_test(a_pipe_gets_json_now_and_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
