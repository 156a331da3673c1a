/* SPDX-License-Identifier: MIT */
/*
 * test_parse.c - what is taken, what is refused, and with which errno
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/parse.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

struct number {
	const char *text;
	uint64_t max;
	int error;
	uint64_t value;
};

static const struct number u64s[] = {
	{"0", 9, 0, 0},
	{"9", 9, 0, 9},
	{"007", 9, 0, 7},
	{"00000000000000000007", 9, 0, 7},
	{"000000000000000000007", 9, -ERANGE, 0},
	{"10", 9, -ERANGE, 0},
	{"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
	{"18446744073709551616", UINT64_MAX, -ERANGE, 0},
	{"99999999999999999999999", UINT64_MAX, -ERANGE, 0},
	{"", 9, -EINVAL, 0},
	{"-1", 9, -EINVAL, 0},
	{"+1", 9, -EINVAL, 0},
	{" 1", 9, -EINVAL, 0},
	{"1 ", 9, -EINVAL, 0},
	{"0x1", 9, -EINVAL, 0},
	{"1k", 9, -EINVAL, 0},
};

static const struct number sizes[] = {
	{"4096", 4096, 0, 4096},
	{"4097", 4096, -ERANGE, 0},
	{"64k", UINT64_MAX, 0, 65536},
	{"64K", UINT64_MAX, 0, 65536},
	{"1m", UINT64_MAX, 0, 1u << 20},
	{"1M", UINT64_MAX, 0, 1u << 20},
	{"2g", UINT64_MAX, 0, 2ul << 30},
	{"2G", UINT64_MAX, 0, 2ul << 30},
	{"17179869183G", UINT64_MAX, 0, 17179869183ul << 30},
	{"17179869184G", UINT64_MAX, -ERANGE, 0},
	{"1kk", UINT64_MAX, -EINVAL, 0},
	{"1KiB", UINT64_MAX, -EINVAL, 0},
	{"k", UINT64_MAX, -EINVAL, 0},
	{"1 k", UINT64_MAX, -EINVAL, 0},
	{"", UINT64_MAX, -EINVAL, 0},
};

static const struct number durations[] = {
	{"1500ms", UINT64_MAX, 0, 1500 * MS},
	{"30", UINT64_MAX, 0, 30 * S},
	{"30s", UINT64_MAX, 0, 30 * S},
	{"10m", UINT64_MAX, 0, 600 * S},
	{"2h", UINT64_MAX, 0, 7200 * S},
	{"0", UINT64_MAX, 0, 0},
	{"1s", S, 0, S},
	{"1001ms", S, -ERANGE, 0},
	{"5124096h", UINT64_MAX, -ERANGE, 0},
	{"1us", UINT64_MAX, -EINVAL, 0},
	{"1.5s", UINT64_MAX, -EINVAL, 0},
	{"ms", UINT64_MAX, -EINVAL, 0},
	{"1sm", UINT64_MAX, -EINVAL, 0},
};

typedef int parse_fn(const char *text, uint64_t max, uint64_t *ret);

static int from_zero(const char *text, uint64_t max, uint64_t *ret)
{
	return parse_u64(text, 0, max, ret);
}

static void check_numbers(const struct number *table, size_t nr,
			  parse_fn *parse)
{
	const uint64_t untouched = 0x5555555555555555;

	for (size_t i = 0; i < nr; i++) {
		uint64_t value = untouched;
		int error = parse(table[i].text, table[i].max, &value);

		if (error != table[i].error)
			fail_msg("\"%s\": %d", table[i].text, error);
		if (value != (error ? untouched : table[i].value))
			fail_msg("\"%s\": wrong value", table[i].text);
	}
}

#define CHECK(table, parse)                                                    \
	check_numbers(table, sizeof(table) / sizeof(table[0]), parse)

static void test_numbers(void **state)
{
	uint64_t value;

	CHECK(u64s, from_zero);
	CHECK(sizes, parse_bytes);
	CHECK(durations, parse_duration);
	assert_int_equal(parse_u64("4", 5, 9, &value), -ERANGE);
	assert_int_equal(parse_u64("5", 5, 9, &value), 0);
	assert_int_equal(value, 5);
}

static const struct {
	const char *text;
	struct parse_source source;
} good_sources[] = {
	{"local:/pid/1", {PARSE_LOCAL, "", 1, ""}},
	{"local:/pid/2147483647", {PARSE_LOCAL, "", INT32_MAX, ""}},
	{"unix:/pid/42", {PARSE_UNIX, "", 42, ""}},
	{"unix:/image/redis.1", {PARSE_UNIX, "", 0, "redis.1"}},
	{"node7:/pid/1234", {PARSE_TCP, "node7", 1234, ""}},
	{"a.example.org:/image/x", {PARSE_TCP, "a.example.org", 0, "x"}},
	{"10.0.0.1:/pid/9", {PARSE_TCP, "10.0.0.1", 9, ""}},
	{"[::1]:/pid/9", {PARSE_TCP, "::1", 9, ""}},
	{"[fe80::1%eth0]:/image/_-.", {PARSE_TCP, "fe80::1%eth0", 0, "_-."}},
	{"localhost:/pid/3", {PARSE_TCP, "localhost", 3, ""}},
};

static const char *const bad_sources[] = {
	"",
	":",
	":/pid/1",
	"/pid/1",
	"host",
	"host:",
	"host:/",
	"host:/pid",
	"host:/pid/",
	"host:/pid/0",
	"host:/pid/-1",
	"host:/pid/2147483648",
	"host:/pid/1/",
	"host:/pid/1 ",
	"host:/pid/self",
	"host:/image/",
	"host:/image/.hidden",
	"host:/image/-dash",
	"host:/image/a/b",
	"host:/image/a b",
	"host:/image/..",
	"host:/images/a",
	"host:pid/1",
	"ho st:/pid/1",
	"-host:/pid/1",
	"h\033st:/pid/1",
	"::1:/pid/1",
	"[]:/pid/1",
	"[::1/pid/1",
	"[::1]/pid/1",
	"[::1]x:/pid/1",
	"local:/image/x",
	"local:pid/1",
	"unix:",
};

static void test_sources(void **state)
{
	struct parse_source source;

	for (size_t i = 0; i < sizeof(good_sources) / sizeof(good_sources[0]);
	     i++) {
		const struct parse_source *want = &good_sources[i].source;

		if (parse_source(good_sources[i].text, &source))
			fail_msg("\"%s\" is refused", good_sources[i].text);
		assert_int_equal(source.where, want->where);
		assert_string_equal(source.host, want->host);
		assert_int_equal(source.pid, want->pid);
		assert_string_equal(source.name, want->name);
	}
	for (size_t i = 0; i < sizeof(bad_sources) / sizeof(bad_sources[0]);
	     i++)
		if (parse_source(bad_sources[i], &source) != -EINVAL)
			fail_msg("\"%s\" is taken", bad_sources[i]);
}

static void check_host(int len, int error)
{
	struct parse_source source;
	char text[400];

	(void)snprintf(text, sizeof(text), "%0*d:/pid/1", len, 0);
	assert_int_equal(parse_source(text, &source), error);
	if (!error)
		assert_int_equal(strlen(source.host), len);
}

static void test_longest_host(void **state)
{
	check_host(PARSE_HOST_MAX, 0);
	check_host(PARSE_HOST_MAX + 1, -EINVAL);
}

/* Whoever keeps a source that is taken has room for PARSE_SOURCE_MAX bytes. */
static void test_leading_zeros(void **state)
{
	static const char *const begins[] = {
		"local:/pid/",
		"unix:/pid/",
		"node7:/pid/",
		"[::1]:/pid/",
	};
	struct parse_source source;
	char text[5100];

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s%010d", begins[i], 7);
		assert_int_equal(parse_source(text, &source), 0);
		assert_int_equal(source.pid, 7);
		(void)snprintf(text, sizeof(text), "%s%011d", begins[i], 7);
		assert_int_equal(parse_source(text, &source), -EINVAL);
		(void)snprintf(text, sizeof(text), "%s%05000d", begins[i], 7);
		assert_int_equal(parse_source(text, &source), -EINVAL);
	}
}

static void test_longest_source(void **state)
{
	struct parse_source source;
	char text[PARSE_SOURCE_MAX + 2];

	(void)snprintf(text, sizeof(text), "[%0*d]:/image/%0*d", PARSE_HOST_MAX,
		       0, PARSE_NAME_MAX, 0);
	assert_int_equal(strlen(text), PARSE_SOURCE_MAX);
	assert_int_equal(parse_source(text, &source), 0);
}

static void test_names(void **state)
{
	char name[PARSE_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[PARSE_NAME_MAX] = '\0';
	assert_true(parse_name_ok(name));
	name[PARSE_NAME_MAX] = 'n';
	name[PARSE_NAME_MAX + 1] = '\0';
	assert_false(parse_name_ok(name));
	assert_true(parse_name_ok("a"));
	assert_true(parse_name_ok("A-z_0.9"));
	assert_false(parse_name_ok(""));
	assert_false(parse_name_ok("."));
	assert_false(parse_name_ok("-a"));
	assert_false(parse_name_ok("a\n"));
	assert_false(parse_name_ok("\xc3\xa9"));
}

static void test_plain_words(void **state)
{
	char out[8] = "xxxxxxx";

	parse_plain(out, "a ~\x1b\x7f\xc3", 7); /* the last is its NUL */
	assert_string_equal(out, "a ~????");
	parse_plain(out, NULL, 0);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_longest_host),
		cmocka_unit_test(test_leading_zeros),
		cmocka_unit_test(test_longest_source),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_plain_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
