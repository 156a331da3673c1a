/* SPDX-License-Identifier: MIT */
/*
 * text.h - a cursor over bytes of /proc, which end where they end
 *
 * Every parser of /proc text in this folder is built from these.  Nothing looks
 * past the end, needs a NUL, or takes a number over its stated maximum.  Each
 * text_take_*() moves the cursor only when it succeeds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	const char *at, *end;
};

static inline struct text text_of(const char *bytes, size_t len_bytes)
{
	return (struct text){bytes, bytes + len_bytes};
}

static inline size_t text_len(const struct text *text)
{
	return (size_t)(text->end - text->at);
}

/* The next line without its newline; false at the end. */
bool text_take_line(struct text *text, struct text *ret_line);

/* The next word, after and up to blanks; false when only blanks are left. */
bool text_take_word(struct text *text, struct text *ret_word);

/* Skip blanks, then @literal. */
bool text_take(struct text *text, const char *literal);

/*
 * Skip blanks, then a number without sign or "0x" in @base (8, 10 or 16) that
 * no letter or digit follows.
 */
bool text_take_number(struct text *text, unsigned base, uint64_t max,
		      uint64_t *ret_number);

/* text_take_number() for 32 bits. */
bool text_take_u32(struct text *text, unsigned base, uint32_t *ret_number);

/* The same for a decimal pid, tid or descriptor. */
bool text_take_i32(struct text *text, int32_t *ret_number);

/* True when the rest is exactly @literal, or begins or ends with it. */
bool text_is(const struct text *text, const char *literal);
bool text_starts(const struct text *text, const char *literal);
bool text_ends(const struct text *text, const char *literal);

/* A NUL-terminated copy on the heap, or NULL. */
char *text_dup(const struct text *text);
