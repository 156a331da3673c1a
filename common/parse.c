/* SPDX-License-Identifier: MIT */
/*
 * parse.c - small hand-written scanners; strtoul() takes too much for granted
 */
#include "common/parse.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_SEC  UINT64_C(1000000000)
#define DIGITS_MAX    20  /* of UINT64_MAX */
#define PID_DIGITS    10u /* of INT32_MAX */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * Digits at *@text, which moves past them.  0, -EINVAL for none, -ERANGE; the
 * latter for leading zeros without end, too.
 */
static int scan_digits(const char **text, uint64_t *ret)
{
	const char *start = *text;
	uint64_t value = 0;

	if (!is_digit(**text))
		return -EINVAL;
	for (; is_digit(**text); ++*text)
		if (*text - start >= DIGITS_MAX ||
		    __builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (unsigned)(**text - '0'),
					   &value))
			return -ERANGE;
	*ret = value;
	return 0;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	int error = scan_digits(&text, &value);

	if (error)
		return error;
	if (*text)
		return -EINVAL;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

struct unit {
	const char *word;
	uint64_t factor;
};

static const struct unit byte_units[] = {
	{"", 1},	 {"k", 1u << 10}, {"K", 1u << 10}, {"m", 1u << 20},
	{"M", 1u << 20}, {"g", 1u << 30}, {"G", 1u << 30}, {NULL, 0},
};

static const struct unit time_units[] = {
	{"", NSEC_PER_SEC},	    {"ms", NSEC_PER_MSEC},
	{"s", NSEC_PER_SEC},	    {"m", 60 * NSEC_PER_SEC},
	{"h", 3600 * NSEC_PER_SEC}, {NULL, 0},
};

static int parse_with_unit(const char *text, const struct unit *unit,
			   uint64_t max, uint64_t *ret)
{
	uint64_t value;
	int error = scan_digits(&text, &value);

	if (error)
		return error;
	while (unit->word && strcmp(unit->word, text))
		unit++;
	if (!unit->word)
		return -EINVAL;
	if (__builtin_mul_overflow(value, unit->factor, &value) || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_bytes(const char *text, uint64_t max, uint64_t *ret_bytes)
{
	return parse_with_unit(text, byte_units, max, ret_bytes);
}

int parse_duration(const char *text, uint64_t max_ns, uint64_t *ret_ns)
{
	return parse_with_unit(text, time_units, max_ns, ret_ns);
}

int parse_name_ok(const char *name)
{
	size_t len = strnlen(name, PARSE_NAME_MAX + 1);

	if (!len || len > PARSE_NAME_MAX || *name == '.' || *name == '-')
		return 0;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(name[i]) && !strchr("._-", name[i]))
			return 0;
	return 1;
}

/* After the prefix @word, or NULL. */
static const char *after(const char *text, const char *word)
{
	size_t len = strlen(word);

	return strncmp(text, word, len) ? NULL : text + len;
}

/*
 * A host of @len bytes with nothing in it but @more and letters and digits;
 * no leading dash, which another program could take for an option.
 */
static int take_host(const char *text, size_t len, const char *more,
		     struct parse_source *source)
{
	if (!len || len > PARSE_HOST_MAX || *text == '-')
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(text[i]) && !strchr(more, text[i]))
			return -EINVAL;
	memcpy(source->host, text, len);
	source->host[len] = '\0';
	source->where = PARSE_TCP;
	return 0;
}

/* "[V6]:" or "HOST:"; *@ret_rest is what follows the colon. */
static int parse_host(const char *text, struct parse_source *source,
		      const char **ret_rest)
{
	const char *end;

	if (*text == '[') {
		end = strstr(++text, "]:");
		if (!end)
			return -EINVAL;
		*ret_rest = end + 2;
		return take_host(text, (size_t)(end - text), ":.%-_", source);
	}
	end = strchr(text, ':');
	if (!end)
		return -EINVAL;
	*ret_rest = end + 1;
	return take_host(text, (size_t)(end - text), ".-_", source);
}

static int parse_where(const char *text, struct parse_source *source,
		       const char **ret_rest)
{
	const char *rest = after(text, "local:");

	source->where = PARSE_LOCAL;
	if (!rest) {
		rest = after(text, "unix:");
		source->where = PARSE_UNIX;
	}
	if (!rest)
		return parse_host(text, source, ret_rest);
	*ret_rest = rest;
	return 0;
}

/* "/pid/N" or "/image/NAME"; images have names only where a daemon is. */
static int parse_what(const char *text, struct parse_source *source)
{
	const char *rest = after(text, "/pid/");
	uint64_t pid;

	if (rest) {
		if (strnlen(rest, PID_DIGITS + 1) > PID_DIGITS ||
		    parse_u64(rest, 1, INT32_MAX, &pid))
			return -EINVAL;
		source->pid = (int32_t)pid;
		return 0;
	}
	rest = after(text, "/image/");
	if (!rest || source->where == PARSE_LOCAL || !parse_name_ok(rest))
		return -EINVAL;
	memcpy(source->name, rest, strlen(rest) + 1);
	return 0;
}

int parse_source(const char *text, struct parse_source *ret_source)
{
	struct parse_source source = {.where = PARSE_LOCAL};
	const char *rest;
	int error = strnlen(text, PARSE_SOURCE_MAX + 1) > PARSE_SOURCE_MAX
			    ? -EINVAL
			    : parse_where(text, &source, &rest);

	if (!error)
		error = parse_what(rest, &source);
	if (!error)
		*ret_source = source;
	return error;
}

void parse_plain(char *out, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++)
		out[i] = at[i] < ' ' || at[i] > '~' ? '?' : (char)at[i];
	out[len] = '\0';
}
