/* SPDX-License-Identifier: MIT */
#include "parent/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct text *text)
{
	while (text->at < text->end && is_blank(*text->at))
		text->at++;
}

bool text_take_line(struct text *text, struct text *ret_line)
{
	const char *newline;

	if (text->at == text->end)
		return false;
	newline = memchr(text->at, '\n', text_len(text));
	*ret_line = (struct text){text->at, newline ? newline : text->end};
	text->at = newline ? newline + 1 : text->end;
	return true;
}

bool text_take_word(struct text *text, struct text *ret_word)
{
	struct text rest = *text;
	const char *start;

	skip_blanks(&rest);
	start = rest.at;
	while (rest.at < rest.end && !is_blank(*rest.at))
		rest.at++;
	if (rest.at == start)
		return false;
	*ret_word = (struct text){start, rest.at};
	*text = rest;
	return true;
}

bool text_take(struct text *text, const char *literal)
{
	struct text rest = *text;

	skip_blanks(&rest);
	if (!text_starts(&rest, literal))
		return false;
	rest.at += strlen(literal);
	*text = rest;
	return true;
}

static unsigned digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	return 16;
}

bool text_take_number(struct text *text, unsigned base, uint64_t max,
		      uint64_t *ret_number)
{
	struct text rest = *text;
	uint64_t number = 0;
	const char *start;

	skip_blanks(&rest);
	for (start = rest.at; rest.at < rest.end; rest.at++) {
		unsigned digit = digit_of(*rest.at);

		if (digit >= base)
			break;
		if (number > (max - digit) / base || digit > max)
			return false;
		number = number * base + digit;
	}
	if (rest.at == start ||
	    (rest.at < rest.end && isalnum((unsigned char)*rest.at)))
		return false;
	*ret_number = number;
	*text = rest;
	return true;
}

bool text_take_u32(struct text *text, unsigned base, uint32_t *ret_number)
{
	uint64_t number;

	if (!text_take_number(text, base, UINT32_MAX, &number))
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

bool text_take_i32(struct text *text, int32_t *ret_number)
{
	uint64_t number;

	if (!text_take_number(text, 10, INT32_MAX, &number))
		return false;
	*ret_number = (int32_t)number;
	return true;
}

bool text_is(const struct text *text, const char *literal)
{
	return text_len(text) == strlen(literal) && text_starts(text, literal);
}

bool text_starts(const struct text *text, const char *literal)
{
	size_t len = strlen(literal);

	return text_len(text) >= len && !memcmp(text->at, literal, len);
}

bool text_ends(const struct text *text, const char *literal)
{
	size_t len = strlen(literal);

	return text_len(text) >= len && !memcmp(text->end - len, literal, len);
}

char *text_dup(const struct text *text)
{
	size_t len = text_len(text);
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, text->at, len);
	copy[len] = '\0';
	return copy;
}
