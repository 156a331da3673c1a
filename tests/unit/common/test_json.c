/* SPDX-License-Identifier: MIT */
/*
 * test_json.c - the exact text, and bytes that are no text
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json.h"

struct sink {
	char *text;
	size_t len;
	struct json json;
};

static void sink_open(struct sink *sink)
{
	FILE *file = open_memstream(&sink->text, &sink->len);

	assert_non_null(file);
	sink->json = json_to(file);
}

static void sink_expect(struct sink *sink, const char *want)
{
	assert_int_equal(fclose(sink->json.file), 0);
	assert_string_equal(sink->text, want);
	free(sink->text);
}

static void write_document(struct json *json)
{
	json_object(json, NULL);
	json_u64(json, "u", UINT64_MAX);
	json_i64(json, "i", INT64_MIN);
	json_hex(json, "h", 0x7fff12345000);
	json_double(json, "d", 1.5);
	json_double(json, "nan", NAN);
	json_bool(json, "yes", true);
	json_bool(json, "no", false);
	json_string(json, "none", NULL);
	json_array(json, "a");
	json_u64(json, NULL, 1);
	json_array(json, NULL);
	json_end(json);
	json_object(json, NULL);
	json_string(json, "k\"", "v");
	json_end(json);
	json_end(json);
	json_object(json, "o");
	json_end(json);
	json_end(json);
}

static void test_document(void **state)
{
	struct sink sink;

	sink_open(&sink);
	write_document(&sink.json);
	sink_expect(&sink,
		    "{\n"
		    "  \"u\": 18446744073709551615,\n"
		    "  \"i\": -9223372036854775808,\n"
		    "  \"h\": \"0x7fff12345000\",\n"
		    "  \"d\": 1.500,\n"
		    "  \"nan\": null,\n"
		    "  \"yes\": true,\n"
		    "  \"no\": false,\n"
		    "  \"none\": null,\n"
		    "  \"a\": [\n"
		    "    1,\n"
		    "    [],\n"
		    "    {\n"
		    "      \"k\\\"\": \"v\"\n"
		    "    }\n"
		    "  ],\n"
		    "  \"o\": {}\n"
		    "}\n");
}

static const struct {
	const char *bytes, *text;
} texts[] = {
	{"", "\"\""},
	{"plain", "\"plain\""},
	{"\"\\/", "\"\\\"\\\\/\""},
	{"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
	{"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
	{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
	 "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
	{"a\xffz", "\"a\xef\xbf\xbdz\""}, /* never in UTF-8 */
	{"\x80", "\"\xef\xbf\xbd\""},	  /* a tail alone */
	{"\xc3", "\"\xef\xbf\xbd\""},	  /* a head alone */
	{"\xc3x", "\"\xef\xbf\xbdx\""},
	{"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""}, /* too long a form */
	{"\xed\xa0\x80",			      /* a surrogate */
	 "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	{"\xf4\x90\x80\x80", /* past U+10FFFF */
	 "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
};

static void test_strings(void **state)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sink sink;

		sink_open(&sink);
		json_string(&sink.json, NULL, texts[i].bytes);
		sink_expect(&sink, texts[i].text);
	}
}

static void test_bytes_with_nul(void **state)
{
	struct sink sink;

	sink_open(&sink);
	json_text(&sink.json, NULL, "a\0b", 3);
	sink_expect(&sink, "\"a\\u0000b\"");
	sink_open(&sink);
	json_text(&sink.json, NULL, "\xc3\xa9", 1); /* the end cuts it */
	sink_expect(&sink, "\"\xef\xbf\xbd\"");
}

static void test_depth(void **state)
{
	struct sink sink;

	sink_open(&sink);
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		json_array(&sink.json, NULL);
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		json_end(&sink.json);
	assert_int_equal(sink.json.depth, 0);
	assert_int_equal(fclose(sink.json.file), 0);
	assert_non_null(strstr(sink.text, "[]"));
	free(sink.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_bytes_with_nul),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
