/* SPDX-License-Identifier: MIT */
/*
 * dgram_kept.h - the last call of a guest, and its answer
 *
 *     NONE --begin--> WAITS --put--> ANSWERED --begin--> WAITS ...
 *
 * A call's id is greater than those before it, as sequence numbers are (RFC
 * 1982): so one that is sent again, or comes late, is known.
 *
 * Above: dgram_guests.c.  Threads: the thread of the loop.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "rdmafetch/dgram.h"
#include "rdmafetch/serve.h"

struct dgram_out;
struct dgram_peer;

/* Zeroed before first use. */
struct dgram_kept {
	enum { KEPT_NONE, KEPT_WAITS, KEPT_ANSWERED } state;
	uint32_t id;
	uint8_t *bytes; /* the header and what was copied of the body */
	size_t len_bytes;
	struct serve_tail tail; /* the rest of it; bytes is NULL: none */
};

enum dgram_news {
	DGRAM_NEW,   /* a call to be made */
	DGRAM_WAITS, /* the one that is made */
	DGRAM_AGAIN, /* the one that was answered */
	DGRAM_OLD,   /* of before */
};

/* What a call with @id is. */
enum dgram_news dgram_kept_look(const struct dgram_kept *kept, uint32_t id);

/* A new call is made: what was kept goes. */
void dgram_kept_begin(struct dgram_kept *kept, uint32_t id);

/*
 * Keep its answer.  @tail (NULL: none) is owned from here on in any case.  0,
 * -ENOTCONN: this call waits no more, or -ENOMEM.
 */
int dgram_kept_put(struct dgram_kept *kept, const struct wire_header *header,
		   const void *body, const struct serve_tail *tail);

/* Send the answer, or the first pieces of one that is long.  Nothing where none
 * is kept. */
void dgram_kept_send(const struct dgram_kept *kept, struct dgram_out *out,
		     const struct dgram_peer *peer, uint64_t token);

/* Send the pieces that the PULL @pull asks for. */
void dgram_kept_pieces(const struct dgram_kept *kept, struct dgram_out *out,
		       const struct dgram_peer *peer,
		       const struct dgram_head *pull);

void dgram_kept_done(struct dgram_kept *kept);
