/* SPDX-License-Identifier: MIT */
/* test_prom.c - the exact text, and labels that would break a line */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/prom.h"

static const struct prom_label labels[] = {
	{"source", "a\"b\\c\nx\x1b\xff"}, {"n", "1"}, {0}};

static char *write_all(enum prom_form form)
{
	struct timing timing = {0};
	char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);
	struct prom prom;

	assert_non_null(file);
	timing_add(&timing, 1000);
	timing_add(&timing, 5000);
	timing_add(&timing, 20000000000);
	prom = prom_to(file, form);
	prom_family(&prom, "x_total", PROM_COUNTER, "How many.");
	prom_u64(&prom, NULL, UINT64_MAX);
	prom_u64(&prom, labels, 7);
	prom_family(&prom, "x_up_seconds", PROM_GAUGE, "How long.");
	prom_seconds(&prom, NULL, 1000000000000000001);
	prom_family(&prom, "x_seconds", PROM_HISTOGRAM, "Times.");
	prom_histogram(&prom, labels + 1, &timing);
	prom_end(&prom);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void expect_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	if (!at || (at > text && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("no line %s in\n%s", line, text);
}

static void test_text(void **state)
{
	char *text = write_all(PROM_TEXT);

	expect_line(text, "# HELP x_total How many.");
	expect_line(text, "# TYPE x_total counter");
	expect_line(text, "x_total 18446744073709551615");
	expect_line(text, "x_total{source=\"a\\\"b\\\\c\\nx??\",n=\"1\"} 7");
	expect_line(text, "x_up_seconds 1000000000.000000001");
	expect_line(text, "x_seconds_bucket{n=\"1\",le=\"0.000001000\"} 1");
	expect_line(text, "x_seconds_bucket{n=\"1\",le=\"0.000004000\"} 1");
	expect_line(text, "x_seconds_bucket{n=\"1\",le=\"0.000008000\"} 2");
	expect_line(text, "x_seconds_bucket{n=\"1\",le=\"8.388608000\"} 2");
	expect_line(text, "x_seconds_bucket{n=\"1\",le=\"+Inf\"} 3");
	expect_line(text, "x_seconds_sum{n=\"1\"} 20.000006000");
	expect_line(text, "x_seconds_count{n=\"1\"} 3");
	free(text);
}

static void test_json(void **state)
{
	char *text = write_all(PROM_JSON);

	assert_non_null(strstr(text, "\"format\": 1,"));
	assert_non_null(strstr(text, "\"name\": \"x_total\""));
	assert_non_null(strstr(text, "\"value\": 18446744073709551615"));
	assert_non_null(strstr(text, "\"le\": 0.000008000"));
	assert_non_null(strstr(text, "\"sum\": 20.000006000"));
	assert_null(strstr(text, "# HELP"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
