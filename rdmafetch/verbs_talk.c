/* SPDX-License-Identifier: MIT */
/*
 * verbs_talk.c - send, wait, fetch what is far
 */
#include "rdmafetch/verbs_talk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/parse.h"
#include "rdmafetch/reply.h"
#include "rdmafetch/verbs_link.h"
#include "rdmafetch/verbs_pack.h"

#define NS_PER_MS   1000000ull
#define PIECE_BYTES (1u << 20)
#define PIECE_NS    1000000000ull /* more time for each further piece */

/* A message that came; @body points into its receive buffer. */
struct message {
	struct wire_header header;
	const uint8_t *body;
};

void verbs_talk_end(struct verbs_talk *talk)
{
	verbs_link_close(steal_ptr(&talk->link));
}

/* ---- completions ---- */

static int take_completion(struct verbs_talk *talk, const struct ibv_wc *wc)
{
	if (wc->status == IBV_WC_RETRY_EXC_ERR)
		return -ETIMEDOUT;
	if (wc->status != IBV_WC_SUCCESS)
		return -ECONNRESET;
	if (!(wc->wr_id & VERBS_RECV_BIT)) {
		talk->nr_out--;
		return 0;
	}
	if (talk->recv_at >= 0)
		return -EPROTO; /* two answers to one question */
	talk->recv_at = (int)(wc->wr_id & ~VERBS_RECV_BIT);
	talk->recv_bytes = wc->byte_len;
	return 0;
}

/* Sleep until something completes or the deadline comes. */
static int sleep_until(struct verbs_talk *talk, uint64_t deadline_ns)
{
	uint64_t now = io_monotonic_ns(), ms;

	if (talk->link->is_over)
		return -ECONNRESET;
	if (now >= deadline_ns)
		return -ETIMEDOUT;
	ms = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	verbs_link_wait(talk->link, ms > 60000 ? 60000 : (int)ms);
	return 0;
}

/* Wait until nothing is out and, when @answer, a message came. */
static int settle(struct verbs_talk *talk, bool answer, uint64_t deadline_ns)
{
	struct verbs_link *link = talk->link;
	struct ibv_wc wc;
	int err = 0;

	while (!err && (talk->nr_out || (answer && talk->recv_at < 0))) {
		int nr = ibv_poll_cq(link->cq, 1, &wc);

		if (nr < 0)
			return -EIO;
		if (nr > 0)
			err = take_completion(talk, &wc);
		else if (!link->is_armed)
			verbs_link_arm(link); /* and look once more */
		else
			err = sleep_until(talk, deadline_ns);
	}
	return err;
}

/* ---- work requests ---- */

static int post(struct verbs_talk *talk, struct ibv_send_wr *wr, void *local,
		uint32_t len_bytes)
{
	struct ibv_sge sge = {.addr = (uintptr_t)local,
			      .length = len_bytes,
			      .lkey = talk->link->mr->lkey};
	struct ibv_send_wr *bad;
	int err;

	wr->wr_id = talk->seq++;
	wr->sg_list = &sge;
	wr->num_sge = 1;
	wr->send_flags = IBV_SEND_SIGNALED;
	err = ibv_post_send(talk->link->id->qp, wr, &bad);
	talk->nr_out += !err;
	return -err;
}

static int send_message(struct verbs_talk *talk, enum wire_type type,
			const void *body, size_t body_bytes)
{
	struct ibv_send_wr wr = {.opcode = IBV_WR_SEND};
	struct wire_header header = {.type = (uint16_t)type,
				     .id = ++talk->last_id,
				     .body_bytes = (uint32_t)body_bytes};
	char *out = verbs_link_big_buf(talk->link);

	wire_put_header((uint8_t *)out, &header);
	if (body_bytes)
		memcpy(out + WIRE_HEADER_BYTES, body, body_bytes);
	return post(talk, &wr, out, (uint32_t)(WIRE_HEADER_BYTES + body_bytes));
}

static int read_piece(struct verbs_talk *talk, uint64_t raddr, uint32_t rkey,
		      uint32_t len_bytes, uint64_t deadline_ns)
{
	struct ibv_send_wr wr = {.opcode = IBV_WR_RDMA_READ,
				 .wr.rdma = {raddr, rkey}};
	int err = post(talk, &wr, verbs_link_staging(talk->link), len_bytes);

	return err ? err : settle(talk, false, deadline_ns);
}

/*
 * Fetch what lies far onto the heap.  Memory grows with what really arrives, so
 * that a length alone cannot make us allocate; and so does the time for it and
 * for what follows.
 */
static int read_far(struct verbs_talk *talk, const struct wire_far *far,
		    uint64_t *deadline_ns, void **ret)
{
	CLEANUP_FREE char *buf = NULL;
	size_t have = 0, room = 0;

	while (have < far->len_bytes) {
		uint32_t now = VERBS_STAGING_BYTES;
		int err;

		if (now > far->len_bytes - have)
			now = (uint32_t)(far->len_bytes - have);
		if (have + now > room) {
			char *bigger;

			room = room ? room * 2 : PIECE_BYTES; /* doubles */
			bigger = realloc(buf, room);
			if (!bigger)
				return -ENOMEM;
			buf = bigger;
			*deadline_ns += room / PIECE_BYTES * PIECE_NS;
		}
		err = read_piece(talk, far->raddr + have, far->rkey, now,
				 *deadline_ns);
		if (err)
			return err;
		memcpy(buf + have, verbs_link_staging(talk->link), now);
		have += now;
	}
	*ret = steal_ptr(&buf);
	return 0;
}

/* ---- replies ---- */

/* Look at the message that came.  0 or -EPROTO. */
static int get_message(const struct verbs_talk *talk, enum wire_type type,
		       struct message *ret)
{
	struct vpack pack = {(const uint8_t *)verbs_link_recv_buf(
				     talk->link, (unsigned)talk->recv_at),
			     talk->recv_bytes};

	if (vpack_next(&pack, &ret->header, &ret->body) || pack.left_bytes)
		return -EPROTO; /* one question has one answer */
	return reply_check(&ret->header, type, talk->last_id);
}

/* The body of a good reply onto the heap, from near or far. */
static int get_body(struct verbs_talk *talk, const struct message *message,
		    uint64_t *deadline_ns, void **ret_body, size_t *ret_bytes)
{
	uint8_t taken[WIRE_REQUEST_MAX];
	struct wire_far far;
	int err;

	if (!(message->header.flags & WIRE_FAR)) {
		*ret_bytes = message->header.body_bytes;
		if (!*ret_bytes)
			return 0;
		*ret_body = malloc(*ret_bytes);
		if (!*ret_body)
			return -ENOMEM;
		memcpy(*ret_body, message->body, *ret_bytes);
		return 0;
	}
	err = wire_get_far(message->body, message->header.body_bytes, &far);
	if (!err)
		err = read_far(talk, &far, deadline_ns, ret_body);
	if (err)
		return err;
	*ret_bytes = far.len_bytes;
	return send_message(talk, WIRE_TAKEN, taken,
			    wire_put_taken(taken, message->header.id));
}

/* Send the question and take the answer's head. */
static int exchange(struct verbs_talk *talk,
		    const struct verbs_question *question, uint64_t deadline_ns,
		    struct message *ret)
{
	int err;

	talk->recv_at = -1;
	err = send_message(talk, question->type, question->body,
			   question->body_bytes);
	if (!err)
		err = settle(talk, true, deadline_ns);
	return err ? err : get_message(talk, question->type, ret);
}

/* Take the rest of the answer, and leave nothing under way. */
static int finish(struct verbs_talk *talk, const struct message *message,
		  uint64_t deadline_ns, void **ret_body, size_t *ret_bytes)
{
	int err = 0;

	if (!message->header.status)
		err = get_body(talk, message, &deadline_ns, ret_body,
			       ret_bytes);
	if (!err)
		err = verbs_link_post_recv(talk->link, (unsigned)talk->recv_at);
	return err ? err : settle(talk, false, deadline_ns);
}

int verbs_talk_ask(struct verbs_talk *talk,
		   const struct verbs_question *question, void **ret_body,
		   size_t *ret_body_bytes, char *why)
{
	uint64_t deadline_ns =
		io_monotonic_ns() + (uint64_t)talk->timeout_ms * NS_PER_MS;
	CLEANUP_FREE void *reply = NULL;
	struct message message;
	size_t reply_bytes = 0;
	int err;

	why[0] = '\0';
	if (!talk->link)
		return -ENOTCONN;
	if (question->body_bytes > WIRE_REQUEST_MAX)
		return -EMSGSIZE;
	err = exchange(talk, question, deadline_ns, &message);
	if (!err && message.header.status)
		parse_plain(why, message.body, message.header.body_bytes);
	if (!err)
		err = finish(talk, &message, deadline_ns, &reply, &reply_bytes);
	if (err) {
		verbs_talk_end(talk);
		return err;
	}
	if (ret_body && !message.header.status) {
		*ret_body = steal_ptr(&reply);
		*ret_body_bytes = reply_bytes;
	}
	return message.header.status;
}
