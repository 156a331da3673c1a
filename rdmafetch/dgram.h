/* SPDX-License-Identifier: MIT */
/*
 * dgram.h - the messages of wire.h in datagrams, which may be lost
 *
 * Each datagram is a head and a body, and no longer than both links take:
 *
 *     HELLO   -->  a whole HELLO; token 0, or the cookie; at: the most bytes
 *     COOKIE  <--  nothing: say HELLO again with this token; at: the most
 *     PACK    <->  whole messages, one behind the other (verbs_pack.h)
 *     PULL    -->  nothing: send pieces at, at + 1 ... of answer id
 *     PIECE   <--  piece number at of answer id, a long one
 *     LOST    <--  nothing: this token is nobody's (any more)
 *     BYE     -->  nothing: the token's owner leaves
 *
 * The token says whose a datagram is, from the answer to HELLO on.  Before it
 * the server keeps nothing: a cookie proves that who asks receives what is sent
 * to its address (as DTLS does, RFC 6347, 4.2.1).  docs/protocol.md has the
 * byte table.
 *
 * Above: dgram_call.c (clients), dgram_guests.c (the server).  Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

#define DGRAM_MAGIC	   0x4744544du /* "MTDG" */
#define DGRAM_VERSION	   1u
#define DGRAM_HEAD_BYTES   24u
#define DGRAM_MIN_BYTES	   256u	 /* the least that a link must take */
#define DGRAM_MAX_BYTES	   4096u /* and the most that is used of one */
#define DGRAM_PULL_MAX	   32u	 /* pieces that one PULL asks for */
#define DGRAM_FIRST_PIECES 8u	 /* of a long answer, that come unasked */
/* Pieces of an answer are numbered: the longest one, in the shortest. */
#define DGRAM_PIECES_MAX                                                       \
	(WIRE_REPLY_MAX / (DGRAM_MIN_BYTES - DGRAM_HEAD_BYTES) + 2u)

enum dgram_kind {
	DGRAM_HELLO = 1,
	DGRAM_COOKIE,
	DGRAM_PACK,
	DGRAM_PULL,
	DGRAM_PIECE,
	DGRAM_LOST,
	DGRAM_BYE,
	DGRAM_KINDS_END,
};

struct dgram_head {
	enum dgram_kind kind;
	uint16_t nr;	/* PULL: how many, 1 to DGRAM_PULL_MAX; else 0 */
	uint64_t token; /* or the cookie */
	uint32_t id;	/* PULL, PIECE: of the message; else 0 */
	/* PULL, PIECE: a piece's number.  HELLO, COOKIE: the longest datagram
	 * from now on, DGRAM_MIN_BYTES to DGRAM_MAX_BYTES.  Else 0. */
	uint32_t at;
};

void dgram_put(uint8_t out[DGRAM_HEAD_BYTES], const struct dgram_head *head);

/*
 * Check a datagram of @len bytes: *@ret_body points into it.
 *
 * Returns 0, or -EPROTO: not ours, of another version, too long, no such kind,
 * fields that this kind has not, a kind without a body that has one, or with
 * one that has none.
 */
int dgram_get(const uint8_t *in, size_t len, struct dgram_head *ret_head,
	      const uint8_t **ret_body, size_t *ret_body_bytes);

/*
 * How many pieces a message of @len bytes, its header included, makes in
 * datagrams of @max_bytes; and where piece @at begins.
 */
uint32_t dgram_pieces(uint64_t len, uint32_t max_bytes);
uint64_t dgram_piece_offset(uint32_t at, uint32_t max_bytes);
