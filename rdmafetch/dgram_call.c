/* SPDX-License-Identifier: MIT */
/* dgram_call.c - see dgram_call.h */
#include "rdmafetch/dgram_call.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/parse.h"
#include "rdmafetch/reply.h"
#include "rdmafetch/verbs_pack.h"

#define NS_PER_MS    1000000ull
#define AGAIN_MIN_MS 20u
#define AGAIN_MAX_MS 1000u

/* A call under way. */
struct asking {
	struct dgram_call *call;
	enum wire_type type;
	uint32_t id;
	uint8_t out[DGRAM_MAX_BYTES];
	size_t out_bytes;
	uint64_t deadline_ns;
	/* Its answer: @nr_pieces, 0 while none is here, of which those before
	 * @next are, and of those behind it the bits in @got. */
	uint8_t *bytes;
	size_t room_bytes, all_bytes;
	uint32_t next, nr_pieces, got;
	uint32_t asked; /* for those before it */
	bool is_here;
};

static void free_asking(struct asking *asking)
{
	free(asking->bytes);
}

/* ---- out ---- */

static int send_pull(struct asking *asking)
{
	uint32_t left = asking->nr_pieces - asking->next;
	const struct dgram_head head = {
		.kind = DGRAM_PULL,
		.nr = (uint16_t)(left < DGRAM_PULL_MAX ? left : DGRAM_PULL_MAX),
		.token = asking->call->token,
		.id = asking->id,
		.at = asking->next,
	};
	struct dgram_link *link = asking->call->link;
	uint8_t out[DGRAM_HEAD_BYTES];

	asking->asked = head.at + head.nr;
	dgram_put(out, &head);
	return link->send(link, out, sizeof(out));
}

/* The question, or what is missing of its answer. */
static int send_again(struct asking *asking)
{
	struct dgram_link *link = asking->call->link;

	if (asking->nr_pieces)
		return send_pull(asking);
	return link->send(link, asking->out, asking->out_bytes);
}

static int put_question(struct asking *asking, enum dgram_kind kind,
			const struct dgram_question *question)
{
	struct dgram_call *call = asking->call;
	const struct dgram_head head = {
		.kind = kind,
		.token = call->token,
		.at = kind == DGRAM_HELLO ? call->max_bytes : 0,
	};
	const struct wire_header header = {
		.type = (uint16_t)question->type,
		.id = asking->id,
		.body_bytes = (uint32_t)question->body_bytes,
	};
	uint8_t *to = asking->out + DGRAM_HEAD_BYTES + WIRE_HEADER_BYTES;

	asking->out_bytes =
		DGRAM_HEAD_BYTES + WIRE_HEADER_BYTES + question->body_bytes;
	if (question->body_bytes > WIRE_REQUEST_MAX ||
	    asking->out_bytes > call->max_bytes)
		return -EMSGSIZE;
	dgram_put(asking->out, &head);
	wire_put_header(asking->out + DGRAM_HEAD_BYTES, &header);
	if (question->body_bytes)
		memcpy(to, question->body, question->body_bytes);
	return 0;
}

/* ---- in ---- */

/* Of whole messages and of the first pieces of long ones. */
static int check_answer(const struct asking *asking,
			const struct wire_header *header)
{
	if (header->flags & WIRE_FAR)
		return -EPROTO;
	return reply_check(header, asking->type, asking->id);
}

/* One of these messages may be the answer, whole. */
static int take_pack(struct asking *asking, uint64_t token, struct vpack pack)
{
	const uint8_t *message = pack.at, *body;
	struct wire_header header;

	while (pack.left_bytes && !vpack_next(&pack, &header, &body)) {
		if (header.id == asking->id) {
			asking->all_bytes =
				WIRE_HEADER_BYTES + header.body_bytes;
			free(asking->bytes);
			asking->bytes = malloc(asking->all_bytes);
			if (!asking->bytes)
				return -ENOMEM;
			memcpy(asking->bytes, message, asking->all_bytes);
			asking->is_here = true;
			if (asking->type == WIRE_HELLO)
				asking->call->token = token;
			return 0;
		}
		message = pack.at;
	}
	return 0;
}

/* Piece 0 says how long all is; memory grows with what has come. */
static int begin_pieces(struct asking *asking, const uint8_t *body, size_t len)
{
	struct wire_header header;

	if (len < WIRE_HEADER_BYTES ||
	    wire_get_header(body, WIRE_REPLY_MAX, &header) ||
	    check_answer(asking, &header))
		return -EPROTO;
	asking->all_bytes = WIRE_HEADER_BYTES + (size_t)header.body_bytes;
	asking->nr_pieces =
		dgram_pieces(asking->all_bytes, asking->call->max_bytes);
	return asking->nr_pieces > 1 ? 0 : -EPROTO;
}

static int make_room(struct asking *asking, size_t end)
{
	size_t room = 2 * asking->room_bytes;
	uint8_t *bytes;

	if (end > asking->all_bytes)
		return -EPROTO;
	if (end <= asking->room_bytes)
		return 0;
	if (room < end)
		room = end;
	if (room > asking->all_bytes)
		room = asking->all_bytes;
	bytes = realloc(asking->bytes, room);
	if (!bytes)
		return -ENOMEM;
	asking->bytes = bytes;
	asking->room_bytes = room;
	return 0;
}

/* All before is here: what is behind may be too. */
static int go_on(struct asking *asking)
{
	for (; asking->got & 1; asking->got >>= 1)
		asking->next++;
	asking->is_here = asking->next == asking->nr_pieces;
	if (!asking->is_here && asking->next >= asking->asked)
		return send_pull(asking);
	return 0;
}

static int take_piece(struct asking *asking, uint32_t at, const uint8_t *body,
		      size_t len)
{
	uint32_t max_bytes = asking->call->max_bytes;
	uint64_t offset = dgram_piece_offset(at, max_bytes);
	size_t wanted = max_bytes - DGRAM_HEAD_BYTES;
	int error = 0;

	if (!at && !asking->nr_pieces)
		error = begin_pieces(asking, body, len);
	/* Behind what was asked for, here already, or of nobody knows what. */
	if (error || at < asking->next || at - asking->next >= DGRAM_PULL_MAX ||
	    at >= asking->nr_pieces ||
	    asking->got & UINT32_C(1) << (at - asking->next))
		return error;
	if (offset >= asking->all_bytes)
		return -EPROTO;
	if (wanted > asking->all_bytes - offset)
		wanted = asking->all_bytes - offset;
	if (len != wanted)
		return -EPROTO;
	error = make_room(asking, offset + len);
	if (error)
		return error;
	memcpy(asking->bytes + offset, body, len);
	asking->got |= UINT32_C(1) << (at - asking->next);
	return go_on(asking);
}

/*
 * The first answer to HELLO: say it again, with this.  Pieces that have begun
 * to come are of one length, to the end.
 */
static int take_cookie(struct asking *asking, const struct dgram_head *cookie)
{
	struct dgram_call *call = asking->call;
	struct dgram_head head = *cookie;

	if (asking->type != WIRE_HELLO || !cookie->token || asking->nr_pieces)
		return 0;
	if (head.at > call->link->max_bytes)
		head.at = call->link->max_bytes;
	if (head.at < asking->out_bytes)
		return -EMSGSIZE;
	call->max_bytes = head.at;
	head.kind = DGRAM_HELLO;
	dgram_put(asking->out, &head);
	return send_again(asking);
}

static int take(struct asking *asking, const uint8_t *bytes, size_t len)
{
	struct dgram_head head;
	const uint8_t *body;
	size_t body_bytes;
	bool is_ours;

	if (dgram_get(bytes, len, &head, &body, &body_bytes))
		return 0;
	is_ours = head.token == asking->call->token;
	if (head.kind == DGRAM_COOKIE)
		return take_cookie(asking, &head);
	if (head.kind == DGRAM_LOST)
		return is_ours && asking->type != WIRE_HELLO ? -ECONNRESET : 0;
	if (head.kind == DGRAM_PACK && (is_ours || asking->type == WIRE_HELLO))
		return take_pack(asking, head.token,
				 (struct vpack){body, (uint32_t)body_bytes});
	if (head.kind == DGRAM_PIECE && is_ours && head.id == asking->id)
		return take_piece(asking, head.at, body, body_bytes);
	return 0;
}

/* ---- a call ---- */

static int ms_until(uint64_t deadline_ns, unsigned most_ms)
{
	uint64_t now = io_monotonic_ns(), ms;

	if (now >= deadline_ns)
		return 0;
	ms = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return (int)(ms < most_ms ? ms : most_ms);
}

/* Until the answer is here; a piece that comes is a sign of life. */
static int await(struct asking *asking)
{
	struct dgram_link *link = asking->call->link;
	unsigned again_ms = AGAIN_MIN_MS;
	int error = send_again(asking);

	while (!error && !asking->is_here) {
		const uint8_t *bytes;
		int ms = ms_until(asking->deadline_ns, again_ms);
		int len = ms ? link->recv(link, ms, &bytes) : -ETIMEDOUT;

		if (len > 0) {
			error = take(asking, bytes, (size_t)len);
			if (asking->nr_pieces)
				again_ms = AGAIN_MIN_MS;
		} else if (len < 0) {
			error = len;
		} else {
			error = send_again(asking);
			if (again_ms < AGAIN_MAX_MS)
				again_ms *= 2;
		}
	}
	return error;
}

static int finish(struct asking *asking, struct dgram_reply *ret, char *why)
{
	struct wire_header header;
	size_t len;

	if (wire_get_header(asking->bytes, WIRE_REPLY_MAX, &header) ||
	    check_answer(asking, &header))
		return -EPROTO;
	len = asking->all_bytes - WIRE_HEADER_BYTES;
	if (header.status) {
		parse_plain(why, (char *)asking->bytes + WIRE_HEADER_BYTES,
			    len);
		return header.status;
	}
	if (!ret)
		return 0;
	memmove(asking->bytes, asking->bytes + WIRE_HEADER_BYTES, len);
	*ret = (struct dgram_reply){steal_ptr(&asking->bytes), len};
	return 0;
}

static int ask(struct dgram_call *call, enum dgram_kind kind,
	       const struct dgram_question *question, struct dgram_reply *ret,
	       char *why)
{
	CLEANUP(free_asking)
	struct asking asking = {
		.call = call,
		.type = question->type,
		.id = ++call->last_id,
		.asked = DGRAM_FIRST_PIECES,
		.deadline_ns = io_monotonic_ns() +
			       (uint64_t)call->timeout_ms * NS_PER_MS,
	};
	int error = put_question(&asking, kind, question);

	why[0] = '\0';
	if (!error)
		error = await(&asking);
	return error ? error : finish(&asking, ret, why);
}

int dgram_ask(struct dgram_call *call, const struct dgram_question *question,
	      struct dgram_reply *ret, char *why)
{
	if (!call->token)
		return -ECONNRESET;
	return ask(call, DGRAM_PACK, question, ret, why);
}

/* ---- life ---- */

static int say_hello(struct dgram_call *call,
		     const struct dgram_greeting *greeting, char *why)
{
	struct wire_hello hello = {.version = WIRE_VERSION,
				   .read_max_bytes = WIRE_READ_MAX};
	struct dgram_question question = {.type = WIRE_HELLO};
	struct dgram_reply reply = {NULL, 0};
	uint8_t body[WIRE_REQUEST_MAX];
	int error =
		sec_make_credential(greeting->sec, greeting->way, &hello, why);

	if (error)
		return error;
	question.body = body;
	question.body_bytes = wire_put_hello(body, &hello);
	error = ask(call, DGRAM_HELLO, &question, &reply, why);
	if (!error)
		error = reply_get_hello(reply.body, reply.body_bytes, &hello);
	free(reply.body);
	return error;
}

int dgram_hello(struct dgram_link *link, const struct dgram_greeting *greeting,
		struct dgram_call *ret_call, char *why)
{
	struct dgram_call call = {
		.link = link,
		.max_bytes = link->max_bytes,
		.timeout_ms = greeting->timeout_ms,
	};
	int error;

	/* Who takes this queue pair's number after us is not taken for us. */
	if (getrandom(&call.last_id, sizeof(call.last_id), 0) < 0)
		call.last_id = (uint32_t)io_monotonic_ns();
	why[0] = '\0';
	error = say_hello(&call, greeting, why);
	if (!error && !call.token)
		error = -EPROTO;
	if (error)
		dgram_bye(&call);
	else
		*ret_call = call;
	return error;
}

void dgram_bye(struct dgram_call *call)
{
	const struct dgram_head head = {.kind = DGRAM_BYE,
					.token = call->token};
	uint8_t out[DGRAM_HEAD_BYTES];

	if (!call->link)
		return;
	dgram_put(out, &head);
	if (call->token)
		(void)call->link->send(call->link, out, sizeof(out));
	call->link->close(call->link);
	memset(call, 0, sizeof(*call));
}
