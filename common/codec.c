/* SPDX-License-Identifier: MIT */
/*
 * codec.c - the parts of a format that own memory or can be wrong
 */
#include "common/codec.h"

void codec_bool(struct codec *codec, bool *field)
{
	uint8_t byte = *field;

	codec_bytes(codec, &byte, sizeof(byte));
	if (!codec_decoding(codec) || codec->error)
		return;
	if (byte > 1)
		codec_fail(codec, -EPROTO);
	*field = byte == 1;
}

void codec_mark(struct codec *codec, uint32_t word)
{
	uint32_t found = word;

	codec_u32(codec, &found);
	if (found != word)
		codec_fail(codec, -EPROTO);
}

void codec_count(struct codec *codec, uint32_t *nr, uint32_t max,
		 size_t element_bytes)
{
	uint32_t count = *nr;

	codec_u32(codec, &count);
	if (codec->error)
		return;
	if (count > max)
		codec_fail(codec, -E2BIG);
	else if (codec_decoding(codec) &&
		 count > codec_left(codec) / element_bytes)
		codec_fail(codec, -EPROTO);
	else if (codec_decoding(codec))
		*nr = count;
}

void *codec_alloc(struct codec *codec, size_t nr, size_t element_bytes)
{
	void *room;

	if (codec->error || !nr)
		return NULL;
	room = arena_alloc(&codec->arena, nr * element_bytes);
	if (!room)
		codec_fail(codec, -ENOMEM);
	return room;
}

void codec_string(struct codec *codec, char **text, uint16_t max)
{
	size_t bytes = *text ? strlen(*text) : 0;
	uint16_t len = (uint16_t)bytes;

	if (bytes > max) {
		codec_fail(codec, -E2BIG);
		return;
	}
	codec_bytes(codec, &len, sizeof(len));
	if (!codec_decoding(codec)) {
		codec_bytes(codec, *text, len);
		return;
	}
	if (len > max)
		codec_fail(codec, -E2BIG);
	else if (len > codec_left(codec))
		codec_fail(codec, -EPROTO);
	*text = codec_alloc(codec, len + 1u, 1);
	codec_bytes(codec, *text, len);
	if (!codec->error && strlen(*text) != len)
		codec_fail(codec, -EPROTO);
}

void codec_blob(struct codec *codec, uint8_t **bytes, uint32_t *len,
		uint32_t max)
{
	codec_count(codec, len, max, 1);
	if (codec_decoding(codec))
		*bytes = codec_alloc(codec, *len, 1);
	codec_bytes(codec, *bytes, *len);
}
