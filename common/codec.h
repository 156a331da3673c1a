/* SPDX-License-Identifier: MIT */
/*
 * codec.h - one walk over a structure that measures, encodes or decodes it
 *
 * A walk names each field once, in order; what happens to the field depends on
 * the mode.  So the two directions of a format cannot drift apart:
 *
 *     CODEC_MEASURE  add the field's size to the total
 *     CODEC_ENCODE   copy the field to the buffer
 *     CODEC_DECODE   fill the field from the buffer, checked
 *
 * Only CODEC_DECODE writes to the structure.  The first error sticks: later
 * calls do nothing, so a walk checks it only before it loops.  Used by desc.c.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/arena.h"

/* Fields are copied as they lie in memory, which is the wire's order here. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "x86-64 only");

enum codec_mode {
	CODEC_MEASURE,
	CODEC_ENCODE,
	CODEC_DECODE,
};

struct codec {
	enum codec_mode mode;
	int error;	     /* 0, or the first -errno */
	uint8_t *at, *end;   /* not for CODEC_MEASURE; not written in DECODE */
	size_t total_bytes;  /* CODEC_MEASURE */
	struct arena *arena; /* CODEC_DECODE: where strings and arrays go */
};

static inline bool codec_decoding(const struct codec *codec)
{
	return codec->mode == CODEC_DECODE;
}

static inline size_t codec_left(const struct codec *codec)
{
	return (size_t)(codec->end - codec->at);
}

static inline void codec_fail(struct codec *codec, int error)
{
	if (!codec->error)
		codec->error = error;
}

/* @len bytes as they are: an array of integers, or text of a fixed length. */
static inline void codec_bytes(struct codec *codec, void *field, size_t len)
{
	if (codec->error || !len)
		return;
	if (codec->mode == CODEC_MEASURE) {
		codec->total_bytes += len;
		return;
	}
	if (codec_left(codec) < len) {
		codec->error = -EPROTO;
		return;
	}
	if (codec->mode == CODEC_DECODE)
		memcpy(field, codec->at, len);
	else
		memcpy(codec->at, field, len);
	codec->at += len;
}

static inline void codec_u32(struct codec *codec, uint32_t *field)
{
	codec_bytes(codec, field, sizeof(*field));
}

static inline void codec_i32(struct codec *codec, int32_t *field)
{
	codec_bytes(codec, field, sizeof(*field));
}

static inline void codec_u64(struct codec *codec, uint64_t *field)
{
	codec_bytes(codec, field, sizeof(*field));
}

/* An enumeration as four bytes; which values are legal is the caller's check.
 */
#define CODEC_ENUM(codec, field)                                               \
	do {                                                                   \
		uint32_t number_ = (uint32_t)(field);                          \
		codec_u32(codec, &number_);                                    \
		if (codec_decoding(codec))                                     \
			(field) = number_;                                     \
	} while (0)

/* One byte, 0 or 1; anything else is -EPROTO. */
void codec_bool(struct codec *codec, bool *field);

/* A mark that must be found again: -EPROTO when @word is not there. */
void codec_mark(struct codec *codec, uint32_t word);

/*
 * How many elements follow.
 *
 * -E2BIG over @max.  When decoding, -EPROTO unless @element_bytes, the least
 * that one element takes in the encoding, can be there @nr times: checked here,
 * so that nothing is allocated on a liar's word.
 */
void codec_count(struct codec *codec, uint32_t *nr, uint32_t max,
		 size_t element_bytes);

/* Room for @nr elements in the arena; only when decoding. */
void *codec_alloc(struct codec *codec, size_t nr, size_t element_bytes);

/*
 * A string: two bytes of length, at most @max, and its bytes without the NUL.
 * NULL is encoded as "".  Decoded, it holds no NUL inside (-EPROTO).
 */
void codec_string(struct codec *codec, char **text, uint16_t max);

/* Bytes: four bytes of length, at most @max, and the bytes.  NULL when none. */
void codec_blob(struct codec *codec, uint8_t **bytes, uint32_t *len,
		uint32_t max);
