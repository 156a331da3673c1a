/* SPDX-License-Identifier: MIT */
/*
 * json.c - commas, indentation and escapes
 */
#include "common/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define NS_PER_S    1000000000ul
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

struct json json_to(FILE *file)
{
	return (struct json){.file = file};
}

/* The bytes of the character that starts with @lead, or 0. */
static size_t utf8_lead(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc0 || lead > 0xf4)
		return 0;
	if (lead < 0xe0)
		return 2;
	return lead < 0xf0 ? 3 : 4;
}

/* The bytes of the valid UTF-8 character at @at (RFC 3629), or 0. */
static size_t utf8_bytes(const uint8_t *at, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t bytes = utf8_lead(*at);
	uint32_t code;

	if (bytes > left)
		return 0;
	if (bytes < 2)
		return bytes;
	code = *at & (0x7fu >> bytes);
	for (size_t i = 1; i < bytes; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3fu);
	}
	if (code < least[bytes] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return bytes;
}

static void put_char(FILE *file, uint8_t c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *found = c ? strchr(from, c) : NULL;

	if (found)
		(void)fprintf(file, "\\%c", to[found - from]);
	else if (c < ' ' || c == 0x7f)
		(void)fprintf(file, "\\u%04x", c);
	else
		(void)putc(c, file);
}

static void put_text(FILE *file, const uint8_t *at, size_t len)
{
	(void)putc('"', file);
	while (len) {
		size_t bytes = utf8_bytes(at, len);

		if (bytes > 1)
			(void)fwrite(at, 1, bytes, file);
		else if (bytes == 1)
			put_char(file, *at);
		else
			(void)fputs(REPLACEMENT, file);
		bytes += !bytes; /* skip the bad byte */
		at += bytes;
		len -= bytes;
	}
	(void)putc('"', file);
}

static void new_line(const struct json *json)
{
	if (!json->one_line)
		(void)fprintf(json->file, "\n%*s", 2 * json->depth, "");
}

/* What stands before every value: comma, line, name. */
static void before_value(struct json *json, const char *key)
{
	uint32_t bit = 1u << json->depth;

	if (json->depth) {
		assert(!key == !!(json->arrays & bit));
		if (json->nonempty & bit)
			(void)fputs(json->one_line ? ", " : ",", json->file);
		new_line(json);
	}
	json->nonempty |= bit;
	if (key) {
		put_text(json->file, (const uint8_t *)key, strlen(key));
		(void)fputs(": ", json->file);
	}
}

static void open_container(struct json *json, const char *key, bool is_array)
{
	uint32_t bit;

	before_value(json, key);
	(void)putc(is_array ? '[' : '{', json->file);
	assert(json->depth < JSON_DEPTH_MAX);
	bit = 1u << ++json->depth;
	json->nonempty &= ~bit;
	json->arrays = is_array ? json->arrays | bit : json->arrays & ~bit;
}

void json_object(struct json *json, const char *key)
{
	open_container(json, key, false);
}

void json_array(struct json *json, const char *key)
{
	open_container(json, key, true);
}

void json_end(struct json *json)
{
	uint32_t bit = 1u << json->depth;

	assert(json->depth > 0);
	json->depth--;
	if (json->nonempty & bit)
		new_line(json);
	(void)putc(json->arrays & bit ? ']' : '}', json->file);
	if (!json->depth)
		(void)putc('\n', json->file);
}

void json_text(struct json *json, const char *key, const void *bytes,
	       size_t len)
{
	before_value(json, key);
	put_text(json->file, bytes, len);
}

void json_string(struct json *json, const char *key, const char *text)
{
	before_value(json, key);
	if (text)
		put_text(json->file, (const uint8_t *)text, strlen(text));
	else
		(void)fputs("null", json->file);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	before_value(json, key);
	(void)fprintf(json->file, "%" PRIu64, value);
}

void json_i64(struct json *json, const char *key, int64_t value)
{
	before_value(json, key);
	(void)fprintf(json->file, "%" PRId64, value);
}

void json_hex(struct json *json, const char *key, uint64_t value)
{
	before_value(json, key);
	(void)fprintf(json->file, "\"0x%" PRIx64 "\"", value);
}

void json_double(struct json *json, const char *key, double value)
{
	before_value(json, key);
	if (isfinite(value))
		(void)fprintf(json->file, "%.3f", value);
	else
		(void)fputs("null", json->file);
}

void json_seconds(struct json *json, const char *key, uint64_t ns)
{
	before_value(json, key);
	(void)fprintf(json->file, "%" PRIu64 ".%09" PRIu64, ns / NS_PER_S,
		      ns % NS_PER_S);
}

void json_bool(struct json *json, const char *key, bool value)
{
	before_value(json, key);
	(void)fputs(value ? "true" : "false", json->file);
}
