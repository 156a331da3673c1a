/* SPDX-License-Identifier: MIT */
/*
 * fake_verbs.c - listen, accept, answer
 */
#include "tests/contract/fake_verbs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <rdma/rdma_cma.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/io.h"
#include "common/page.h"
#include "common/wire.h"
#include "tests/contract/device_address.h"
#include "tests/contract/far_net.h"
#include "tests/contract/pattern.h"

#define BUF_BYTES   4160u
#define BUFS	    256u
#define TODO_MAX    512u
#define PAGES	    6656u
#define REGIONS	    7u
#define RECV_BIT    (1ull << 63)
#define HANDLE	    77u
#define MESSAGE_MAX (WIRE_HEADER_BYTES + WIRE_REQUEST_MAX)

struct far {
	uint32_t id;
	void *body;
	struct ibv_mr *mr;
};

struct todo {
	struct wire_header header;
	uint8_t body[256];
	uint64_t due_ns;
};

struct fake_verbs {
	struct fake_verbs_options options;
	pthread_t thread;
	int stop_fds[2];
	struct rdma_event_channel *events;
	struct rdma_cm_id *listener, *id;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	char *bufs; /* BUFS receives, then BUFS sends */
	struct ibv_mr *bufs_mr, *regions[REGIONS];
	bool send_busy[BUFS];
	struct far far[BUFS];
	struct todo todo[TODO_MAX];
	unsigned nr_todo, nr_reads;
	atomic_uint nr_asked, nr_far;
	bool hang_up;
};

static const struct {
	unsigned first, end;
} layout[REGIONS] = {{0, 100},	 {104, 200}, {200, 201},  {201, 202},
		     {202, 203}, {203, 204}, {204, PAGES}};

static char *memory; /* the image's, from FAKE_VERBS_AT on */

/* ---- sending ---- */

static void post_send(struct fake_verbs *server, const void *message,
		      size_t len)
{
	struct ibv_sge sge = {.length = (uint32_t)len,
			      .lkey = server->bufs_mr->lkey};
	struct ibv_send_wr wr = {.sg_list = &sge,
				 .num_sge = 1,
				 .opcode = IBV_WR_SEND,
				 .send_flags = IBV_SEND_SIGNALED};
	struct ibv_send_wr *bad;
	unsigned at = 0;

	while (at < BUFS && server->send_busy[at])
		at++;
	if (at == BUFS) {
		server->hang_up = true;
		return;
	}
	sge.addr = (uintptr_t)server->bufs + (BUFS + at) * BUF_BYTES;
	memcpy((void *)(uintptr_t)sge.addr, message, len);
	wr.wr_id = at;
	server->send_busy[at] = true;
	if (ibv_post_send(server->id->qp, &wr, &bad))
		server->hang_up = true;
}

static void send_message(struct fake_verbs *server, struct wire_header header,
			 const void *body)
{
	uint8_t out[MESSAGE_MAX];

	wire_put_header(out, &header);
	if (header.body_bytes)
		memcpy(out + WIRE_HEADER_BYTES, body, header.body_bytes);
	post_send(server, out, WIRE_HEADER_BYTES + header.body_bytes);
}

/* Lay @body, which becomes the server's, out to be read. */
static void send_far(struct fake_verbs *server, struct wire_header header,
		     void *body, uint32_t len)
{
	uint8_t bytes[WIRE_REQUEST_MAX];
	struct wire_far words;
	unsigned at = 0;

	while (at < BUFS && server->far[at].body)
		at++;
	if (at == BUFS) {
		server->hang_up = true;
		free(body);
		return;
	}
	server->far[at] = (struct far){
		header.id, body,
		ibv_reg_mr(server->pd, body, len,
			   IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ)};
	words = (struct wire_far){(uintptr_t)body, len,
				  server->far[at].mr->rkey};
	words.len_bytes -= server->options.lies_far && header.type == WIRE_READ;
	server->nr_far++;
	header.flags |= WIRE_FAR;
	header.body_bytes = (uint32_t)wire_put_far(bytes, &words);
	send_message(server, header, bytes);
}

static void drop_far(struct fake_verbs *server, struct far *far)
{
	(void)ibv_dereg_mr(far->mr);
	free(far->body);
	*far = (struct far){0};
	server->nr_far--;
}

static void take_taken(struct fake_verbs *server, const struct todo *todo)
{
	uint32_t id = 0;

	if (wire_get_taken(todo->body, todo->header.body_bytes, &id)) {
		server->hang_up = true;
		return;
	}
	for (unsigned i = 0; i < BUFS; i++)
		if (server->far[i].body && server->far[i].id == id)
			drop_far(server, &server->far[i]);
}

/* Near when it fits a message; @body is taken over. */
static void reply(struct fake_verbs *server, struct wire_header header,
		  void *body, uint32_t len)
{
	if (len > WIRE_REQUEST_MAX) {
		send_far(server, header, body, len);
		return;
	}
	header.body_bytes = len;
	header.body_bytes -=
		server->options.lies_inline && header.type == WIRE_READ;
	send_message(server, header, body);
	free(body);
}

static void refuse(struct fake_verbs *server, struct wire_header header,
		   int status)
{
	header.status = status;
	header.body_bytes = 5;
	send_message(server, header, "words");
}

/* ---- answering ---- */

static void answer_hello(struct fake_verbs *server, struct wire_header header)
{
	const struct wire_hello hello = {.version = WIRE_VERSION,
					 .read_max_bytes = WIRE_READ_MAX};
	uint8_t *body = malloc(WIRE_REQUEST_MAX);

	reply(server, header, body, (uint32_t)wire_put_hello(body, &hello));
}

static void answer_open(struct fake_verbs *server, struct wire_header header)
{
	const struct wire_opened opened = {HANDLE, 600};
	uint32_t desc_bytes = server->options.desc_bytes, head;
	uint8_t *body;

	if (server->options.open_status) {
		refuse(server, header, server->options.open_status);
		return;
	}
	if (!desc_bytes)
		desc_bytes = 13;
	body = malloc(WIRE_REQUEST_MAX + desc_bytes);
	head = (uint32_t)wire_put_opened(body, &opened);
	pattern_fill(9, 0, body + head, desc_bytes);
	reply(server, header, body, head + desc_bytes);
}

static void answer_export(struct fake_verbs *server, struct wire_header header)
{
	struct wire_region regions[REGIONS];
	uint8_t *body;

	if (server->options.no_regions) {
		refuse(server, header, -EOPNOTSUPP);
		return;
	}
	for (unsigned i = 0; i < REGIONS; i++) {
		size_t at = (size_t)layout[i].first * PAGE_BYTES;
		size_t len = (layout[i].end - layout[i].first) * PAGE_BYTES;

		server->regions[i] = ibv_reg_mr_iova(server->pd, memory + at,
						     len, FAKE_VERBS_AT + at,
						     IBV_ACCESS_REMOTE_READ);
		if (!server->regions[i]) {
			server->hang_up = true;
			return;
		}
		regions[i] = (struct wire_region){FAKE_VERBS_AT + at, len,
						  server->regions[i]->rkey};
	}
	body = malloc(wire_regions_bytes(REGIONS));
	wire_put_regions(body, regions, REGIONS);
	reply(server, header, body, (uint32_t)wire_regions_bytes(REGIONS));
}

static void answer_read(struct fake_verbs *server, struct wire_header header,
			const struct todo *todo)
{
	const struct fake_verbs_options *options = &server->options;
	struct wire_read read;
	uint8_t *body;

	if (wire_get_read(todo->body, todo->header.body_bytes, &read) ||
	    read.handle != HANDLE) {
		server->hang_up = true;
		return;
	}
	server->nr_reads++;
	server->nr_asked++;
	if (options->is_mute)
		return;
	if (options->fail_every &&
	    server->nr_reads % options->fail_every == 0) {
		refuse(server, header, options->fail_status);
		return;
	}
	body = malloc(read.len_bytes);
	pattern_fill(read.object, read.raddr, body, read.len_bytes);
	reply(server, header, body, read.len_bytes);
	if (options->break_after && server->nr_reads >= options->break_after)
		server->hang_up = true;
}

static void answer(struct fake_verbs *server, const struct todo *todo)
{
	struct wire_header header = {.type = todo->header.type,
				     .flags = WIRE_REPLY,
				     .id = todo->header.id};

	switch (header.type) {
	case WIRE_HELLO:
		answer_hello(server, header);
		break;
	case WIRE_OPEN:
		answer_open(server, header);
		break;
	case WIRE_EXPORT:
		answer_export(server, header);
		break;
	case WIRE_READ:
		answer_read(server, header, todo);
		break;
	case WIRE_TAKEN:
		take_taken(server, todo);
		break;
	default: /* an echo */
		header.body_bytes = todo->header.body_bytes;
		send_message(server, header, todo->body);
	}
}

/* Answer what is due, in reversed groups.  Returns ms to the next, or -1. */
static int answer_due(struct fake_verbs *server)
{
	unsigned group = server->options.reorder ? server->options.reorder : 1;
	uint64_t now = io_monotonic_ns();
	unsigned nr_due = 0;

	while (nr_due < server->nr_todo && server->todo[nr_due].due_ns <= now)
		nr_due++;
	for (unsigned first = 0; first < nr_due; first += group) {
		unsigned end = first + group < nr_due ? first + group : nr_due;

		for (unsigned at = end; at-- > first && !server->hang_up;)
			answer(server, &server->todo[at]);
	}
	server->nr_todo -= nr_due;
	memmove(server->todo, server->todo + nr_due,
		server->nr_todo * sizeof(server->todo[0]));
	if (!server->nr_todo)
		return -1;
	return (int)((server->todo[0].due_ns - now) / 1000000) + 1;
}

/* ---- receiving ---- */

static void post_recv(struct fake_verbs *server, unsigned at)
{
	struct ibv_sge sge = {.addr = (uintptr_t)server->bufs + at * BUF_BYTES,
			      .length = MESSAGE_MAX,
			      .lkey = server->bufs_mr->lkey};
	struct ibv_recv_wr wr = {
		.wr_id = RECV_BIT | at, .sg_list = &sge, .num_sge = 1};
	struct ibv_recv_wr *bad;

	if (ibv_post_recv(server->id->qp, &wr, &bad))
		server->hang_up = true;
}

static void take_message(struct fake_verbs *server, unsigned at, uint32_t len)
{
	const uint8_t *in = (const uint8_t *)server->bufs + at * BUF_BYTES;
	struct todo *todo = &server->todo[server->nr_todo];

	if (server->nr_todo == TODO_MAX || len < WIRE_HEADER_BYTES ||
	    wire_get_header(in, sizeof(todo->body), &todo->header) ||
	    len != WIRE_HEADER_BYTES + todo->header.body_bytes) {
		server->hang_up = true;
		return;
	}
	memcpy(todo->body, in + WIRE_HEADER_BYTES, todo->header.body_bytes);
	todo->due_ns = 0;
	if (todo->header.type == WIRE_READ && server->options.delay_ns)
		todo->due_ns = io_monotonic_ns() + server->options.delay_ns;
	server->nr_todo++;
	post_recv(server, at);
}

static void poll_queue(struct fake_verbs *server)
{
	struct ibv_cq *cq;
	struct ibv_wc wc;
	void *context;

	if (!ibv_get_cq_event(server->channel, &cq, &context))
		ibv_ack_cq_events(cq, 1);
	(void)ibv_req_notify_cq(server->cq, 0);
	while (!server->hang_up && ibv_poll_cq(server->cq, 1, &wc) == 1) {
		if (wc.status != IBV_WC_SUCCESS)
			server->hang_up = true;
		else if (wc.wr_id & RECV_BIT)
			take_message(server, (unsigned)wc.wr_id, wc.byte_len);
		else
			server->send_busy[wc.wr_id] = false;
	}
}

/* ---- one connection ---- */

static void nonblocking(int fd)
{
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static bool begin(struct fake_verbs *server, struct rdma_cm_id *id)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = BUFS,
			.max_recv_wr = BUFS,
			.max_send_sge = 1,
			.max_recv_sge = 1},
	};
	struct rdma_conn_param param = {.responder_resources = 16,
					.rnr_retry_count = 7};

	server->id = id;
	server->pd = ibv_alloc_pd(id->verbs);
	server->channel = ibv_create_comp_channel(id->verbs);
	nonblocking(server->channel->fd);
	server->cq =
		ibv_create_cq(id->verbs, 2 * BUFS, NULL, server->channel, 0);
	attr.send_cq = attr.recv_cq = server->cq;
	server->bufs_mr =
		ibv_reg_mr(server->pd, server->bufs, 2ul * BUFS * BUF_BYTES,
			   IBV_ACCESS_LOCAL_WRITE);
	if (rdma_create_qp(id, server->pd, &attr))
		return false;
	server->nr_todo = server->nr_reads = 0;
	server->hang_up = false;
	memset(server->send_busy, 0, sizeof(server->send_busy));
	for (unsigned i = 0; i < BUFS; i++)
		post_recv(server, i);
	(void)ibv_req_notify_cq(server->cq, 0);
	return !rdma_accept(id, &param);
}

static void end(struct fake_verbs *server)
{
	(void)rdma_disconnect(server->id);
	if (server->id->qp)
		rdma_destroy_qp(server->id);
	for (unsigned i = 0; i < BUFS; i++)
		if (server->far[i].body)
			drop_far(server, &server->far[i]);
	for (unsigned i = 0; i < REGIONS; i++)
		if (server->regions[i])
			(void)ibv_dereg_mr(server->regions[i]);
	memset(server->regions, 0, sizeof(server->regions));
	(void)ibv_dereg_mr(server->bufs_mr);
	(void)ibv_destroy_cq(server->cq);
	(void)ibv_destroy_comp_channel(server->channel);
	(void)ibv_dealloc_pd(server->pd);
	(void)rdma_destroy_id(server->id);
	server->id = NULL;
}

/* Take an event: a new connection, or the end of this one. */
static void take_event(struct fake_verbs *server)
{
	struct rdma_cm_event *event;
	struct rdma_cm_id *id;
	enum rdma_cm_event_type type;

	if (rdma_get_cm_event(server->events, &event))
		return;
	type = event->event;
	id = event->id;
	(void)rdma_ack_cm_event(event);
	if (type == RDMA_CM_EVENT_CONNECT_REQUEST) {
		if (server->id) /* the old client closed: no need to wait */
			end(server);
		if (!begin(server, id))
			server->hang_up = true;
	} else if (type == RDMA_CM_EVENT_DISCONNECTED && id == server->id) {
		server->hang_up = true;
	}
}

static void *server_main(void *arg)
{
	struct fake_verbs *server = arg;
	struct pollfd fds[3] = {{server->events->fd, POLLIN, 0},
				{server->stop_fds[0], POLLIN, 0}};

	while (!fds[1].revents) {
		int timeout_ms = -1;

		if (server->id) {
			poll_queue(server);
			if (!server->hang_up)
				timeout_ms = answer_due(server);
			if (server->hang_up)
				end(server);
		}
		fds[2] = (struct pollfd){server->id ? server->channel->fd : -1,
					 POLLIN, 0};
		(void)poll(fds, 3, timeout_ms);
		if (fds[0].revents)
			take_event(server);
	}
	if (server->id)
		end(server);
	return NULL;
}

/* ---- life ---- */

const char *fake_verbs_lack(void)
{
	char text[INET_ADDRSTRLEN];
	int home = far_net_enter();
	bool found = device_address(text);

	far_net_leave(home);
	return found ? NULL : "no RDMA device with an IPv4 address here";
}

static bool listen_on(struct fake_verbs *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	char text[INET_ADDRSTRLEN];

	server->events = rdma_create_event_channel();
	if (!server->events || !device_address(text))
		return false;
	nonblocking(server->events->fd);
	(void)inet_pton(AF_INET, text, &address.sin_addr);
	return !rdma_create_id(server->events, &server->listener, NULL,
			       RDMA_PS_TCP) &&
	       !rdma_bind_addr(server->listener, (struct sockaddr *)&address) &&
	       !rdma_listen(server->listener, 8);
}

static bool make_memory(struct fake_verbs *server)
{
	server->bufs = aligned_alloc(PAGE_BYTES, 2ul * BUFS * BUF_BYTES);
	if (memory)
		return true;
	memory = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	pattern_fill(0, FAKE_VERBS_AT, memory, PAGES * PAGE_BYTES);
	return true;
}

struct fake_verbs *fake_verbs_start(const struct fake_verbs_options *options)
{
	struct fake_verbs *server = calloc(1, sizeof(*server));
	int home = far_net_enter();
	bool listens = listen_on(server);

	far_net_leave(home);
	server->options = *options;
	if (!listens || !make_memory(server) || pipe(server->stop_fds) ||
	    pthread_create(&server->thread, NULL, server_main, server)) {
		free(server->bufs);
		free(server);
		return NULL;
	}
	return server;
}

struct verbs_address fake_verbs_address(const struct fake_verbs *server)
{
	struct verbs_address address = {
		.port = ntohs(rdma_get_src_port(server->listener)),
		.timeout_ms = 10000};

	(void)inet_ntop(
		AF_INET,
		&((struct sockaddr_in *)rdma_get_local_addr(server->listener))
			 ->sin_addr,
		address.host, sizeof(address.host));
	return address;
}

void fake_verbs_revoke(struct fake_verbs *server)
{
	(void)ibv_dereg_mr(server->regions[0]);
	server->regions[0] = NULL;
}

unsigned fake_verbs_nr_asked(const struct fake_verbs *server)
{
	return server->nr_asked;
}

unsigned fake_verbs_nr_far(const struct fake_verbs *server)
{
	return server->nr_far;
}

void fake_verbs_stop(struct fake_verbs *server)
{
	(void)close(server->stop_fds[1]);
	(void)pthread_join(server->thread, NULL);
	(void)close(server->stop_fds[0]);
	(void)rdma_destroy_id(server->listener);
	rdma_destroy_event_channel(server->events);
	free(server->bufs);
	free(server);
}
