/* SPDX-License-Identifier: MIT */
/* dgram_kept.c - see dgram_kept.h */
#include "rdmafetch/dgram_kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rdmafetch/dgram_guests.h"

enum dgram_news dgram_kept_look(const struct dgram_kept *kept, uint32_t id)
{
	if (kept->state == KEPT_NONE || (int32_t)(id - kept->id) > 0)
		return DGRAM_NEW;
	if (id != kept->id)
		return DGRAM_OLD;
	return kept->state == KEPT_WAITS ? DGRAM_WAITS : DGRAM_AGAIN;
}

void dgram_kept_done(struct dgram_kept *kept)
{
	if (kept->tail.bytes)
		kept->tail.done(kept->tail.owner);
	free(kept->bytes);
	memset(kept, 0, sizeof(*kept));
}

void dgram_kept_begin(struct dgram_kept *kept, uint32_t id)
{
	dgram_kept_done(kept);
	kept->state = KEPT_WAITS;
	kept->id = id;
}

int dgram_kept_put(struct dgram_kept *kept, const struct wire_header *header,
		   const void *body, const struct serve_tail *tail)
{
	size_t tail_bytes = tail ? tail->len_bytes : 0;
	size_t body_bytes = header->body_bytes - tail_bytes;
	int error = -ENOTCONN;

	if (kept->state == KEPT_WAITS && kept->id == header->id) {
		kept->bytes = malloc(WIRE_HEADER_BYTES + body_bytes);
		error = kept->bytes ? 0 : -ENOMEM;
	}
	if (error) {
		if (tail)
			tail->done(tail->owner);
		return error;
	}
	wire_put_header(kept->bytes, header);
	if (body_bytes)
		memcpy(kept->bytes + WIRE_HEADER_BYTES, body, body_bytes);
	kept->len_bytes = WIRE_HEADER_BYTES + body_bytes;
	if (tail && tail->bytes)
		kept->tail = *tail;
	else if (tail)
		tail->done(tail->owner);
	kept->state = KEPT_ANSWERED;
	return 0;
}

static size_t all_bytes(const struct dgram_kept *kept)
{
	return kept->len_bytes + (kept->tail.bytes ? kept->tail.len_bytes : 0);
}

/* Copy up to @room bytes of the answer from @offset on: how many. */
static size_t copy(const struct dgram_kept *kept, uint64_t offset, uint8_t *to,
		   size_t room)
{
	size_t left = all_bytes(kept) - offset, head = 0;

	if (room > left)
		room = left;
	if (offset < kept->len_bytes) {
		head = kept->len_bytes - offset;
		head = head < room ? head : room;
		memcpy(to, kept->bytes + offset, head);
		offset += head;
	}
	if (room > head)
		memcpy(to + head, kept->tail.bytes + (offset - kept->len_bytes),
		       room - head);
	return room;
}

static void send_part(const struct dgram_kept *kept, struct dgram_out *out,
		      const struct dgram_peer *peer,
		      const struct dgram_head *head)
{
	uint8_t *to = out->begin(out, peer);
	size_t len;

	if (!to)
		return;
	dgram_put(to, head);
	len = copy(kept, dgram_piece_offset(head->at, peer->max_bytes),
		   to + DGRAM_HEAD_BYTES, peer->max_bytes - DGRAM_HEAD_BYTES);
	out->send(out, DGRAM_HEAD_BYTES + len);
}

void dgram_kept_pieces(const struct dgram_kept *kept, struct dgram_out *out,
		       const struct dgram_peer *peer,
		       const struct dgram_head *pull)
{
	uint32_t all = dgram_pieces(all_bytes(kept), peer->max_bytes);
	struct dgram_head head = {
		.kind = DGRAM_PIECE, .token = pull->token, .id = pull->id};

	if (kept->state != KEPT_ANSWERED || kept->id != pull->id)
		return;
	for (unsigned i = 0; i < pull->nr && pull->at + i < all; i++) {
		head.at = pull->at + i;
		send_part(kept, out, peer, &head);
	}
}

void dgram_kept_send(const struct dgram_kept *kept, struct dgram_out *out,
		     const struct dgram_peer *peer, uint64_t token)
{
	const struct dgram_head whole = {.kind = DGRAM_PACK, .token = token};
	const struct dgram_head first = {
		.token = token, .id = kept->id, .nr = DGRAM_FIRST_PIECES};

	if (kept->state != KEPT_ANSWERED)
		return;
	if (dgram_pieces(all_bytes(kept), peer->max_bytes) > 1)
		dgram_kept_pieces(kept, out, peer, &first);
	else
		send_part(kept, out, peer, &whole);
}
