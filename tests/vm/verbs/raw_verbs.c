/* SPDX-License-Identifier: MIT */
/* raw_verbs.c - see raw_verbs.h */
#include "raw_verbs.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rdmafetch/verbs_pack.h"

#define SERVER	    "10.9.0.1"
#define RECV_BIT    (1ull << 63)
#define PATIENCE_MS 5000

struct raw_verbs {
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_mr *recv_mr, *send_mr, *read_mr;
	uint8_t *recvs, *send, *read;
	/* SENDs that came, as buffer and length: a ring. */
	unsigned first, nr, got[RAW_RECVS];
	uint32_t got_bytes[RAW_RECVS];
	unsigned nr_sends; /* taken out of it, ever */
	struct vpack pack; /* what is left of the last of these, in: */
	uint8_t message[RAW_BYTES];
	bool is_over;
	bool was_refused; /* so there is nothing to disconnect */
};

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void post_recv(struct raw_verbs *raw, unsigned at)
{
	struct ibv_sge sge = {(uintptr_t)raw->recvs + at * RAW_BYTES, RAW_BYTES,
			      raw->recv_mr->lkey};
	struct ibv_recv_wr recv = {
		.wr_id = RECV_BIT | at, .sg_list = &sge, .num_sge = 1};
	struct ibv_recv_wr *bad;

	(void)ibv_post_recv(raw->id->qp, &recv, &bad);
}

static uint8_t *new_memory(struct raw_verbs *raw, size_t len,
			   struct ibv_mr **mr)
{
	uint8_t *memory = calloc(1, len);

	assert(memory);
	*mr = ibv_reg_mr(raw->pd, memory, len, IBV_ACCESS_LOCAL_WRITE);
	assert(*mr);
	return memory;
}

static void make_queue_pair(struct raw_verbs *raw)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 16,
			.max_recv_wr = RAW_RECVS,
			.max_send_sge = 1,
			.max_recv_sge = 1},
	};

	raw->pd = ibv_alloc_pd(raw->id->verbs);
	raw->cq = ibv_create_cq(raw->id->verbs, 2 * RAW_RECVS, NULL, NULL, 0);
	assert(raw->pd && raw->cq);
	attr.send_cq = attr.recv_cq = raw->cq;
	assert(!rdma_create_qp(raw->id, raw->pd, &attr));
	raw->recvs = new_memory(raw, RAW_RECVS * RAW_BYTES, &raw->recv_mr);
	raw->send = new_memory(raw, RAW_BYTES, &raw->send_mr);
	raw->read = new_memory(raw, RAW_READ_BYTES, &raw->read_mr);
	for (unsigned i = 0; i < RAW_RECVS; i++)
		post_recv(raw, i);
}

struct raw_verbs *raw_dial(uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port)};
	struct rdma_conn_param param = {.initiator_depth = 16,
					.responder_resources = 1,
					.retry_count = 7,
					.rnr_retry_count = 7};
	struct raw_verbs *raw = calloc(1, sizeof(*raw));

	assert(raw);
	assert(inet_pton(AF_INET, SERVER, &in.sin_addr) == 1);
	assert(!rdma_create_id(NULL, &raw->id, NULL, RDMA_PS_TCP));
	assert(!rdma_resolve_addr(raw->id, NULL, (struct sockaddr *)&in,
				  PATIENCE_MS));
	assert(!rdma_resolve_route(raw->id, PATIENCE_MS));
	make_queue_pair(raw);
	if (rdma_connect(raw->id, &param)) {
		perror("rdma_connect");
		abort();
	}
	return raw;
}

void raw_close(struct raw_verbs *raw)
{
	if (!raw)
		return;
	if (!raw->was_refused)
		(void)rdma_disconnect(raw->id);
	rdma_destroy_qp(raw->id);
	(void)ibv_dereg_mr(raw->recv_mr);
	(void)ibv_dereg_mr(raw->send_mr);
	(void)ibv_dereg_mr(raw->read_mr);
	(void)ibv_destroy_cq(raw->cq);
	(void)ibv_dealloc_pd(raw->pd);
	(void)rdma_destroy_id(raw->id);
	free(raw->recvs);
	free(raw->send);
	free(raw->read);
	free(raw);
}

/* One completion: 1 with it, 0 when there is none. */
static int look(struct raw_verbs *raw, struct ibv_wc *wc)
{
	int nr = ibv_poll_cq(raw->cq, 1, wc);

	assert(nr >= 0);
	return nr;
}

static void keep_send(struct raw_verbs *raw, const struct ibv_wc *wc)
{
	unsigned at = (raw->first + raw->nr++) % RAW_RECVS;

	raw->got[at] = (unsigned)(wc->wr_id & ~RECV_BIT);
	raw->got_bytes[at] = wc->byte_len;
}

/* The device need not tell that the peer has no queue pair any more. */
static void look_for_end(struct raw_verbs *raw)
{
	struct pollfd fd = {.fd = raw->id->channel->fd, .events = POLLIN};
	struct rdma_cm_event *event;

	if (raw->is_over || poll(&fd, 1, 0) != 1)
		return;
	assert(!rdma_get_cm_event(raw->id->channel, &event));
	/* A server that drops us before it has heard that we have its answer
	 * takes that back. */
	raw->was_refused = event->event == RDMA_CM_EVENT_REJECTED;
	assert(raw->was_refused || event->event == RDMA_CM_EVENT_DISCONNECTED);
	(void)rdma_ack_cm_event(event);
	raw->is_over = true;
}

/* Until the one send under way is done; replies may come before that. */
static int finish(struct raw_verbs *raw)
{
	double end = now() + RAW_TIMEOUT_S;
	struct ibv_wc wc;

	for (;;) {
		assert(now() < end);
		if (!look(raw, &wc)) {
			look_for_end(raw);
			if (raw->is_over)
				return IBV_WC_WR_FLUSH_ERR;
			continue;
		}
		if (!(wc.wr_id & RECV_BIT))
			return (int)wc.status;
		if (wc.status == IBV_WC_SUCCESS)
			keep_send(raw, &wc);
	}
}

static int post(struct raw_verbs *raw, struct ibv_send_wr *send)
{
	struct ibv_send_wr *bad;

	send->send_flags = IBV_SEND_SIGNALED;
	send->num_sge = 1;
	if (ibv_post_send(raw->id->qp, send, &bad))
		return IBV_WC_GENERAL_ERR;
	return finish(raw);
}

int raw_send(struct raw_verbs *raw, const void *bytes, uint32_t len_bytes)
{
	struct ibv_sge sge = {(uintptr_t)raw->send, len_bytes,
			      raw->send_mr->lkey};
	struct ibv_send_wr send = {.opcode = IBV_WR_SEND, .sg_list = &sge};

	assert(len_bytes <= RAW_BYTES);
	memcpy(raw->send, bytes, len_bytes);
	return post(raw, &send);
}

void raw_ask(struct raw_verbs *raw, uint16_t type, uint32_t id,
	     const void *body, uint32_t body_bytes)
{
	const struct wire_header header = {
		.type = type, .id = id, .body_bytes = body_bytes};
	uint8_t message[RAW_BYTES];

	wire_put_header(message, &header);
	if (body_bytes)
		memcpy(message + WIRE_HEADER_BYTES, body, body_bytes);
	assert(!raw_send(raw, message, WIRE_HEADER_BYTES + body_bytes) ||
	       raw->is_over);
}

void raw_ask_read(struct raw_verbs *raw, uint32_t id, uint16_t flags,
		  struct wire_read read)
{
	uint8_t message[WIRE_HEADER_BYTES + WIRE_REQUEST_MAX];
	struct wire_header header = {
		.type = WIRE_READ, .flags = flags, .id = id};

	header.body_bytes =
		(uint32_t)wire_put_read(message + WIRE_HEADER_BYTES, &read);
	wire_put_header(message, &header);
	assert(!raw_send(raw, message, WIRE_HEADER_BYTES + header.body_bytes) ||
	       raw->is_over);
}

static void get_send(struct raw_verbs *raw)
{
	double end = now() + RAW_TIMEOUT_S;
	struct ibv_wc wc;
	unsigned at;

	while (!raw->nr) {
		assert(now() < end && !raw->is_over);
		if (look(raw, &wc) && wc.wr_id & RECV_BIT && !wc.status)
			keep_send(raw, &wc);
	}
	at = raw->first;
	raw->first = (at + 1) % RAW_RECVS;
	raw->nr--;
	raw->nr_sends++;
	memcpy(raw->message, raw->recvs + raw->got[at] * RAW_BYTES, RAW_BYTES);
	raw->pack = (struct vpack){raw->message, raw->got_bytes[at]};
	post_recv(raw, raw->got[at]);
}

struct wire_header raw_get(struct raw_verbs *raw, const uint8_t **ret_body)
{
	static uint8_t copy[RAW_BYTES];
	struct wire_header header;
	const uint8_t *body;

	if (!raw->pack.left_bytes)
		get_send(raw);
	assert(!vpack_next(&raw->pack, &header, &body));
	assert(header.flags & WIRE_REPLY);
	memcpy(copy, body, header.body_bytes);
	copy[header.body_bytes] = '\0';
	*ret_body = copy;
	return header;
}

unsigned raw_nr_sends(const struct raw_verbs *raw)
{
	return raw->nr_sends;
}

void raw_hello(struct raw_verbs *raw)
{
	struct wire_hello hello = {.version = WIRE_VERSION,
				   .read_max_bytes = WIRE_READ_MAX};
	uint8_t out[WIRE_REQUEST_MAX];
	const uint8_t *body;
	struct wire_header reply;

	raw_ask(raw, WIRE_HELLO, 1, out, (uint32_t)wire_put_hello(out, &hello));
	reply = raw_get(raw, &body);
	assert(reply.type == WIRE_HELLO && reply.id == 1 && !reply.status);
	assert(!wire_get_hello(body, reply.body_bytes, &hello));
	assert(hello.version == WIRE_VERSION);
}

static int one_sided(struct raw_verbs *raw, const struct wire_far *far,
		     enum ibv_wr_opcode opcode)
{
	struct ibv_sge sge = {(uintptr_t)raw->read, far->len_bytes,
			      raw->read_mr->lkey};
	struct ibv_send_wr send = {.opcode = opcode, .sg_list = &sge};

	assert(far->len_bytes <= RAW_READ_BYTES);
	send.wr.rdma.remote_addr = far->raddr;
	send.wr.rdma.rkey = far->rkey;
	return post(raw, &send);
}

int raw_fetch(struct raw_verbs *raw, const struct wire_far *far,
	      const uint8_t **ret_bytes)
{
	*ret_bytes = raw->read;
	return one_sided(raw, far, IBV_WR_RDMA_READ);
}

int raw_scribble(struct raw_verbs *raw, const struct wire_far *far)
{
	return one_sided(raw, far, IBV_WR_RDMA_WRITE);
}

const uint8_t *raw_take(struct raw_verbs *raw, const struct wire_header *reply,
			const uint8_t *body, uint32_t *ret_bytes)
{
	uint8_t taken[WIRE_REQUEST_MAX];
	const uint8_t *bytes;
	struct wire_far far;

	assert(reply->flags & WIRE_FAR && !reply->status);
	assert(!wire_get_far(body, reply->body_bytes, &far));
	assert(!raw_fetch(raw, &far, &bytes));
	raw_ask(raw, WIRE_TAKEN, reply->id, taken,
		(uint32_t)wire_put_taken(taken, reply->id));
	*ret_bytes = far.len_bytes;
	return bytes;
}

void raw_assert_dropped(struct raw_verbs *raw)
{
	double end = now() + RAW_TIMEOUT_S;

	while (!raw->is_over) {
		assert(now() < end);
		look_for_end(raw);
		(void)usleep(1000);
	}
	raw_close(raw);
}
