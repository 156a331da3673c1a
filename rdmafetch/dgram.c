/* SPDX-License-Identifier: MIT */
/* dgram.c - see dgram.h */
#include "rdmafetch/dgram.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static void put16(uint8_t *out, uint16_t value)
{
	value = htole16(value);
	memcpy(out, &value, sizeof(value));
}

static void put32(uint8_t *out, uint32_t value)
{
	value = htole32(value);
	memcpy(out, &value, sizeof(value));
}

static void put64(uint8_t *out, uint64_t value)
{
	value = htole64(value);
	memcpy(out, &value, sizeof(value));
}

static uint16_t get16(const uint8_t *in)
{
	uint16_t value;

	memcpy(&value, in, sizeof(value));
	return le16toh(value);
}

static uint32_t get32(const uint8_t *in)
{
	uint32_t value;

	memcpy(&value, in, sizeof(value));
	return le32toh(value);
}

static uint64_t get64(const uint8_t *in)
{
	uint64_t value;

	memcpy(&value, in, sizeof(value));
	return le64toh(value);
}

void dgram_put(uint8_t out[DGRAM_HEAD_BYTES], const struct dgram_head *head)
{
	put32(out, DGRAM_MAGIC);
	out[4] = DGRAM_VERSION;
	out[5] = (uint8_t)head->kind;
	put16(out + 6, head->nr);
	put64(out + 8, head->token);
	put32(out + 16, head->id);
	put32(out + 20, head->at);
}

/* Whether a kind has a body. */
static bool has_body(enum dgram_kind kind)
{
	return kind == DGRAM_HELLO || kind == DGRAM_PACK || kind == DGRAM_PIECE;
}

static bool fields_are_right(const struct dgram_head *head)
{
	switch (head->kind) {
	case DGRAM_PULL:
		return head->nr && head->nr <= DGRAM_PULL_MAX &&
		       head->at < DGRAM_PIECES_MAX;
	case DGRAM_PIECE:
		return !head->nr && head->at < DGRAM_PIECES_MAX;
	case DGRAM_HELLO:
	case DGRAM_COOKIE:
		return !head->nr && !head->id && head->at >= DGRAM_MIN_BYTES &&
		       head->at <= DGRAM_MAX_BYTES;
	default:
		return !head->nr && !head->id && !head->at;
	}
}

int dgram_get(const uint8_t *in, size_t len, struct dgram_head *ret_head,
	      const uint8_t **ret_body, size_t *ret_body_bytes)
{
	struct dgram_head head;

	if (len < DGRAM_HEAD_BYTES || len > DGRAM_MAX_BYTES ||
	    get32(in) != DGRAM_MAGIC || in[4] != DGRAM_VERSION ||
	    in[5] < DGRAM_HELLO || in[5] >= DGRAM_KINDS_END)
		return -EPROTO;
	head = (struct dgram_head){
		.kind = (enum dgram_kind)in[5],
		.nr = get16(in + 6),
		.token = get64(in + 8),
		.id = get32(in + 16),
		.at = get32(in + 20),
	};
	if (!fields_are_right(&head) ||
	    has_body(head.kind) != (len > DGRAM_HEAD_BYTES))
		return -EPROTO;
	*ret_head = head;
	*ret_body = in + DGRAM_HEAD_BYTES;
	*ret_body_bytes = len - DGRAM_HEAD_BYTES;
	return 0;
}

uint32_t dgram_pieces(uint64_t len, uint32_t max_bytes)
{
	uint32_t each = max_bytes - DGRAM_HEAD_BYTES;

	return (uint32_t)((len + each - 1) / each);
}

uint64_t dgram_piece_offset(uint32_t at, uint32_t max_bytes)
{
	return (uint64_t)at * (max_bytes - DGRAM_HEAD_BYTES);
}
