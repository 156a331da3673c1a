/* SPDX-License-Identifier: MIT */
/* verbs_conn.c - see verbs_conn.h */
#include "rdmafetch/verbs_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rdmafetch/verbs_memory.h"

/* Buffers begin on cache lines. */
#define BUFFER_BYTES 4160u
#define INLINE_BYTES 64u /* most replies: a header and up to 40 bytes */
#define SIGNAL_EVERY 8u
#define NO_BUFFER    0xff
/* "0.64 ms" in the table of ibv_modify_qp(3): the client sends again, then. */
#define RNR_TIMER 12

_Static_assert(VPACK_MAX_BYTES <= BUFFER_BYTES, "a message fits");
_Static_assert(VCONN_BUFFERS < NO_BUFFER, "numbers fit in a byte");

struct vconn_tag vconn_tag_of(uint64_t wr_id)
{
	return (struct vconn_tag){
		.owner = (uint32_t)(wr_id >> 32),
		.kind = (enum vconn_kind)(uint16_t)(wr_id >> 16),
		.at = (uint16_t)wr_id,
	};
}

static uint64_t wr_id_of(const struct verbs_conn *conn, enum vconn_kind kind,
			 uint16_t at)
{
	return (uint64_t)conn->owner << 32 | (uint32_t)kind << 16 | at;
}

static uint8_t *buffer(const struct verbs_conn *conn, unsigned at)
{
	return (uint8_t *)conn->mr->addr + (size_t)at * BUFFER_BYTES;
}

const uint8_t *vconn_request(const struct verbs_conn *conn, unsigned at)
{
	return buffer(conn, at);
}

void vconn_repost(struct verbs_conn *conn, unsigned at)
{
	struct ibv_recv_wr *recv = &conn->recvs[at];

	recv->next = NULL;
	*conn->to_post_end = recv;
	conn->to_post_end = &recv->next;
}

static void lay_out(struct verbs_conn *conn)
{
	for (unsigned at = 0; at < VCONN_BUFFERS; at++)
		conn->sges[at] = (struct ibv_sge){
			.addr = (uintptr_t)buffer(conn, at),
			.length = VPACK_MAX_BYTES,
			.lkey = conn->mr->lkey,
		};
	for (uint16_t at = 0; at < VERBS_RECVS_POSTED; at++) {
		conn->recvs[at] = (struct ibv_recv_wr){
			.wr_id = wr_id_of(conn, VCONN_RECV, at),
			.sg_list = &conn->sges[at],
			.num_sge = 1,
		};
		vconn_repost(conn, at);
	}
	for (uint8_t at = 0; at < VCONN_SENDS; at++) {
		conn->sends[at] = (struct ibv_send_wr){
			.sg_list = &conn->sges[VERBS_RECVS_POSTED + at],
			.num_sge = 1,
			.opcode = IBV_WR_SEND,
		};
		conn->free_sends[conn->nr_free++] = at;
	}
}

/* Not every device takes data inline. */
static int make_queue_pair(struct verbs_conn *conn)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = conn->hub->cq,
		.recv_cq = conn->hub->cq,
		.qp_type = IBV_QPT_RC,
		.cap =
			{
				.max_send_wr = VERBS_SENDS_POSTED,
				.max_recv_wr = VERBS_RECVS_POSTED,
				.max_send_sge = 1,
				.max_recv_sge = 1,
				.max_inline_data = INLINE_BYTES,
			},
	};
	struct ibv_qp_init_attr given = attr;

	errno = 0;
	if (rdma_create_qp(conn->id, conn->domain->pd, &given)) {
		given = attr;
		given.cap.max_inline_data = 0;
		if (rdma_create_qp(conn->id, conn->domain->pd, &given))
			return errno ? -errno : -EIO;
	}
	conn->inline_max = given.cap.max_inline_data;
	conn->qp_num = conn->id->qp->qp_num;
	return 0;
}

static int open_parts(struct verbs_conn *conn)
{
	int error = verbs_domain_new(conn->hub, &conn->domain);

	if (!error)
		error = verbs_memory_new(conn->domain->pd,
					 (size_t)VCONN_BUFFERS * BUFFER_BYTES,
					 IBV_ACCESS_LOCAL_WRITE, &conn->mr);
	if (!error)
		error = make_queue_pair(conn);
	if (error)
		return error;
	lay_out(conn);
	(void)vconn_flush(conn);
	return conn->is_broken ? -EIO : 0;
}

int vconn_open(struct verbs_hub *hub, struct rdma_cm_id *id, uint32_t owner,
	       struct verbs_conn **ret)
{
	struct verbs_conn *conn = calloc(1, sizeof(*conn));
	int error;

	if (!conn)
		return -ENOMEM;
	conn->hub = hub;
	conn->id = id;
	conn->owner = owner;
	conn->to_post_end = &conn->to_post;
	conn->chain_end = &conn->chain;
	error = open_parts(conn);
	if (error)
		vconn_close(conn);
	else
		*ret = conn;
	return error;
}

/*
 * librdmacm lets the peer write and do atomics as well, where memory allows it,
 * which none does; and has it wait 655 ms when we have no buffer for it.
 */
void vconn_connected(struct verbs_conn *conn)
{
	struct ibv_qp_attr attr = {
		.qp_access_flags = IBV_ACCESS_REMOTE_READ,
		.min_rnr_timer = RNR_TIMER,
	};

	(void)ibv_modify_qp(conn->id->qp, &attr,
			    IBV_QP_ACCESS_FLAGS | IBV_QP_MIN_RNR_TIMER);
}

static unsigned queue_room(const struct verbs_conn *conn)
{
	return VERBS_SENDS_POSTED - (conn->nr_sent - conn->nr_done);
}

unsigned vconn_room(struct verbs_conn *conn)
{
	unsigned room = queue_room(conn);

	/* What the chain holds inline comes back when it is posted. */
	if (!conn->nr_free && conn->chain)
		(void)vconn_flush(conn);
	return room < conn->nr_free ? room : conn->nr_free;
}

/* The open send takes no more messages: now its length is known. */
static void seal(struct verbs_conn *conn)
{
	struct ibv_send_wr *send = conn->open;
	uint32_t number = conn->nr_sent - 1;

	if (!send)
		return;
	conn->open = NULL;
	if (send->sg_list->length <= conn->inline_max)
		send->send_flags |= IBV_SEND_INLINE;
	if (conn->nr_sent - conn->asked_at >= SIGNAL_EVERY) {
		send->send_flags |= IBV_SEND_SIGNALED;
		conn->asked_at = conn->nr_sent;
	}
	conn->buffer_of[number % VERBS_SENDS_POSTED] =
		send->send_flags & IBV_SEND_INLINE
			? NO_BUFFER
			: (uint8_t)(send - conn->sends);
}

/* A send of no messages yet goes to the chain's end. */
static void open_send(struct verbs_conn *conn)
{
	uint8_t at = conn->free_sends[--conn->nr_free];
	struct ibv_send_wr *send = &conn->sends[at];
	uint32_t number = conn->nr_sent++;

	send->sg_list->length = 0;
	send->wr_id = wr_id_of(conn, VCONN_SEND, (uint16_t)number);
	send->send_flags = 0;
	send->next = NULL;
	*conn->chain_end = send;
	conn->chain_end = &send->next;
	conn->open = send;
}

uint8_t *vconn_message(struct verbs_conn *conn, uint32_t max_bytes)
{
	unsigned at;

	if (conn->open &&
	    conn->open->sg_list->length + max_bytes > VPACK_MAX_BYTES)
		seal(conn);
	if (conn->open)
		return (uint8_t *)(uintptr_t)conn->open->sg_list->addr +
		       conn->open->sg_list->length;
	at = conn->free_sends[conn->nr_free - 1];
	return buffer(conn, VERBS_RECVS_POSTED + at);
}

void vconn_send(struct verbs_conn *conn, uint32_t len_bytes)
{
	if (!conn->open)
		open_send(conn);
	conn->open->sg_list->length += len_bytes;
}

static void post_receives(struct verbs_conn *conn)
{
	struct ibv_recv_wr *bad;

	if (!conn->to_post)
		return;
	if (ibv_post_recv(conn->id->qp, conn->to_post, &bad))
		conn->is_broken = true;
	conn->to_post = NULL;
	conn->to_post_end = &conn->to_post;
}

/* What was copied at the post is free; what is signalled is now waited for. */
static void count_posted(struct verbs_conn *conn)
{
	for (struct ibv_send_wr *send = conn->chain; send; send = send->next) {
		if (send->send_flags & IBV_SEND_INLINE)
			conn->free_sends[conn->nr_free++] =
				(uint8_t)(send - conn->sends);
		if (send->send_flags & IBV_SEND_SIGNALED && !conn->nr_asked++)
			conn->asked_ns = conn->hub->now_ns;
	}
}

/* Receives first: who has its answer may ask the next question. */
int vconn_flush(struct verbs_conn *conn)
{
	struct ibv_send_wr *bad;

	if (conn->is_broken)
		return 0;
	post_receives(conn);
	if (!conn->chain || conn->is_broken)
		return 0;
	seal(conn);
	if (ibv_post_send(conn->id->qp, conn->chain, &bad))
		conn->is_broken = true;
	count_posted(conn);
	conn->chain = NULL;
	conn->chain_end = &conn->chain;
	return 1;
}

void vconn_sent(struct verbs_conn *conn, uint16_t at)
{
	/* The number of which @at is the low half: not before nr_done. */
	uint32_t end = conn->nr_done + (uint16_t)(at - conn->nr_done) + 1;

	for (; conn->nr_done != end; conn->nr_done++) {
		uint8_t held =
			conn->buffer_of[conn->nr_done % VERBS_SENDS_POSTED];

		if (held != NO_BUFFER)
			conn->free_sends[conn->nr_free++] = held;
	}
	conn->nr_asked--;
	conn->asked_ns = conn->hub->now_ns;
}

int vconn_probe(struct verbs_conn *conn)
{
	struct ibv_send_wr probe = {
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
	};
	struct ibv_send_wr *bad;

	(void)vconn_flush(conn);
	if (conn->is_broken || !queue_room(conn))
		return -EAGAIN;
	probe.wr_id = wr_id_of(conn, VCONN_PROBE, (uint16_t)conn->nr_sent);
	conn->buffer_of[conn->nr_sent % VERBS_SENDS_POSTED] = NO_BUFFER;
	conn->asked_at = ++conn->nr_sent;
	if (!conn->nr_asked++)
		conn->asked_ns = conn->hub->now_ns;
	if (ibv_post_send(conn->id->qp, &probe, &bad))
		conn->is_broken = true;
	return 0;
}

/* A queue pair that is gone touches no memory any more. */
void vconn_close(struct verbs_conn *conn)
{
	if (!conn)
		return;
	if (conn->id->qp) {
		(void)rdma_disconnect(conn->id);
		rdma_destroy_qp(conn->id);
	}
	verbs_memory_free(conn->mr);
	if (conn->domain)
		verbs_domain_put(conn->domain);
	free(conn);
}
