/* SPDX-License-Identifier: MIT */
/* tcp_serve.c - see tcp_serve.h */
#include "rdmafetch/tcp_serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "rdmafetch/tcp_conn.h"

#define NS_PER_S 1000000000ull
/* Accepting fails while the process is out of descriptors; then wait. */
#define ACCEPT_PAUSE_NS (NS_PER_S / 5)

struct listener {
	struct loop_op op;
	struct tcp_serve *serve;
	struct listener *next;
	int fd;
	bool accepting;
};

/*
 * A client's number is its slot and, above that, how often a slot was taken:
 * an answer that comes late finds nobody, never somebody else.
 */
struct tcp_serve {
	struct server server;
	struct tcp_shared shared;
	struct loop_work work;
	struct loop_timer timer;
	struct listener *listeners;
	struct tcp_conn **slots;
	unsigned nr_slots;
	uint64_t takes;
	bool closing;
};

static struct tcp_serve *serve_of(void *member, size_t offset)
{
	return (struct tcp_serve *)((char *)member - offset);
}

static void wake_in(struct tcp_serve *serve, uint64_t ns)
{
	if (!serve->timer.deadline_ns)
		serve->timer.deadline_ns = io_monotonic_ns() + ns;
}

static struct tcp_conn *find(struct tcp_serve *serve, uint64_t client)
{
	struct tcp_conn *conn = serve->slots[client % serve->nr_slots];

	if (!conn || conn->client != client || conn->dropped)
		return NULL;
	return conn;
}

static int free_slot(const struct tcp_serve *serve)
{
	if (serve->server.stats.strangers >=
	    serve->server.options.strangers_max)
		return -1;
	for (unsigned i = 0; i < serve->nr_slots; i++)
		if (!serve->slots[i])
			return (int)i;
	return -1;
}

static void add_client(struct tcp_serve *serve, int fd)
{
	int slot = free_slot(serve);
	uint64_t client;

	if (slot < 0 || serve->closing) {
		serve->server.stats.turned_away++;
		(void)close(fd);
		return;
	}
	client = ++serve->takes * serve->nr_slots + (unsigned)slot;
	if (conn_open(&serve->shared, fd, client, &serve->slots[slot]))
		return;
	serve->server.stats.accepted++;
	wake_in(serve, NS_PER_S);
}

static void start_accept(struct listener *listener)
{
	struct io_uring_sqe *sqe;

	if (listener->accepting || listener->serve->closing)
		return;
	sqe = loop_sqe(listener->serve->shared.loop);
	io_uring_prep_multishot_accept(sqe, listener->fd, NULL, NULL,
				       SOCK_CLOEXEC);
	loop_mark(sqe, &listener->op);
	listener->accepting = true;
}

static void accepted(struct loop_op *op, int result, uint32_t flags)
{
	struct listener *listener = (struct listener *)op;

	if (result >= 0)
		add_client(listener->serve, result);
	if (flags & IORING_CQE_F_MORE)
		return;
	listener->accepting = false;
	if (result >= 0 || result == -ECONNABORTED || result == -EINTR)
		start_accept(listener);
	else
		wake_in(listener->serve, ACCEPT_PAUSE_NS);
}

int tcp_serve_listen(struct tcp_serve *serve, int fd)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return -ENOMEM;
	listener->op.done = accepted;
	listener->serve = serve;
	listener->fd = fd;
	listener->next = serve->listeners;
	serve->listeners = listener;
	start_accept(listener);
	return 0;
}

void tcp_serve_psk(struct tcp_serve *serve, const char *psk_file)
{
	serve->shared.psk_file = psk_file;
}

void tcp_serve_tell_rdma(struct tcp_serve *serve, uint16_t port)
{
	serve->server.rdma_port = port;
}

/* Once a second while there are clients: deadlines, and accepting again. */
static void timer_fired(struct loop_timer *timer)
{
	struct tcp_serve *serve =
		serve_of(timer, offsetof(struct tcp_serve, timer));
	uint64_t now_ns = io_monotonic_ns();
	unsigned nr = 0;

	for (struct listener *l = serve->listeners; l; l = l->next)
		start_accept(l);
	for (unsigned i = 0; i < serve->nr_slots; i++) {
		if (!serve->slots[i])
			continue;
		nr++;
		conn_expire(serve->slots[i], now_ns);
	}
	if (nr)
		wake_in(serve, NS_PER_S);
}

static struct tcp_conn *take_ready(struct tcp_serve *serve)
{
	struct tcp_conn *first = serve->shared.ready;

	serve->shared.ready = serve->shared.last_ready = NULL;
	return first;
}

/* Back to the ready list when it has more to do; freed when it is over. */
static void put_ready(struct tcp_serve *serve, struct tcp_conn *conn, int more)
{
	conn->in_ready = false;
	if (conn_is_over(conn)) {
		serve->slots[conn->client % serve->nr_slots] = NULL;
		conn_close(conn);
		return;
	}
	if (more)
		conn_make_ready(conn);
}

/*
 * One turn: what is waited for, of every client; then bulk of one client, the
 * one that is longest in the list.  A fault so waits for one slice of bulk at
 * most, whoever asked for that.
 */
static int serve_turn(struct loop_work *work)
{
	struct tcp_serve *serve =
		serve_of(work, offsetof(struct tcp_serve, work));
	struct tcp_conn *ready = take_ready(serve), *conn, *next;

	for (conn = ready; conn; conn = conn->next_ready)
		conn_take(conn);
	for (conn = ready; conn; conn = conn->next_ready)
		if (conn_fill_bulk(conn))
			break;
	for (conn = ready; conn; conn = next) {
		next = conn->next_ready;
		put_ready(serve, conn, conn_flow(conn));
	}
	return serve->shared.ready != NULL;
}

static struct tcp_serve *of_server(struct server *server)
{
	return serve_of(server, offsetof(struct tcp_serve, server));
}

static int answer_tail(struct tcp_serve *serve,
		       const struct serve_ticket *ticket, const void *body,
		       size_t body_bytes, const struct serve_tail *tail)
{
	struct tcp_conn *conn = find(serve, ticket->client);
	struct wire_header header;

	if (!conn || conn->ending) {
		tail->done(tail->owner);
		return -ENOTCONN;
	}
	header = serve_reply_to(ticket, body_bytes + tail->len_bytes, 0);
	return conn_answer(conn, &header, body, body_bytes, tail);
}

/* A body too long to be copied twice is copied once, and then lent. */
static int answer_long(struct tcp_serve *serve,
		       const struct serve_ticket *ticket, const void *body,
		       size_t body_bytes)
{
	uint8_t *copy = malloc(body_bytes);
	const struct serve_tail tail = {
		.bytes = copy,
		.len_bytes = body_bytes,
		.done = free,
		.owner = copy,
	};

	if (!copy) {
		struct tcp_conn *conn = find(serve, ticket->client);

		if (conn)
			conn_drop(conn);
		return -ENOMEM;
	}
	memcpy(copy, body, body_bytes);
	return answer_tail(serve, ticket, NULL, 0, &tail);
}

static int tcp_answer(struct server *server, const struct serve_ticket *ticket,
		      const void *body, size_t body_bytes,
		      const struct serve_tail *tail)
{
	struct tcp_serve *serve = of_server(server);
	struct tcp_conn *conn = find(serve, ticket->client);
	struct wire_header header = serve_reply_to(ticket, body_bytes, 0);

	if (tail)
		return answer_tail(serve, ticket, body, body_bytes, tail);
	if (!conn || conn->ending)
		return -ENOTCONN;
	if (body_bytes > TODO_COPY_MAX)
		return answer_long(serve, ticket, body, body_bytes);
	return conn_answer(conn, &header, body, body_bytes, NULL);
}

static int tcp_refuse(struct server *server, const struct serve_ticket *ticket,
		      int error, const char *why)
{
	struct tcp_conn *conn = find(of_server(server), ticket->client);
	size_t why_bytes = strnlen(why, WIRE_WHY_MAX);
	struct wire_header header = serve_reply_to(ticket, why_bytes, error);

	if (!conn || conn->ending)
		return -ENOTCONN;
	return conn_answer(conn, &header, why, why_bytes, NULL);
}

static const struct server_ops tcp_server_ops = {
	.answer = tcp_answer,
	.refuse = tcp_refuse,
};

int tcp_serve_open(struct loop *loop, const struct serve_options *options,
		   const struct serve_ops *ops, void *arg,
		   struct tcp_serve **ret)
{
	struct tcp_serve *serve;

	if (serve_options_check(options))
		return -EINVAL;
	serve = calloc(1, sizeof(*serve));
	if (!serve)
		return -ENOMEM;
	serve->nr_slots = options->clients_max + options->strangers_max;
	serve->slots = calloc(serve->nr_slots, sizeof(*serve->slots));
	if (!serve->slots) {
		free(serve);
		return -ENOMEM;
	}
	serve->server = (struct server){
		.ops = &tcp_server_ops,
		.options = *options,
		.handler = ops,
		.handler_arg = arg,
	};
	serve->shared.server = &serve->server;
	serve->shared.loop = loop;
	serve->work.run = serve_turn;
	serve->timer.fired = timer_fired;
	loop_add_work(loop, &serve->work);
	loop_add_timer(loop, &serve->timer);
	*ret = serve;
	return 0;
}

void tcp_serve_get_stats(const struct tcp_serve *serve,
			 struct serve_stats *ret_stats)
{
	*ret_stats = serve->server.stats;
}

/* 1 while the kernel may still use memory of ours. */
static int is_busy(const struct tcp_serve *serve)
{
	for (const struct listener *l = serve->listeners; l; l = l->next)
		if (l->accepting)
			return 1;
	for (unsigned i = 0; i < serve->nr_slots; i++)
		if (serve->slots[i])
			return 1;
	return 0;
}

static void hang_up_all(struct tcp_serve *serve)
{
	serve->closing = true;
	for (struct listener *l = serve->listeners; l; l = l->next)
		if (l->accepting)
			loop_cancel(serve->shared.loop, &l->op);
	for (unsigned i = 0; i < serve->nr_slots; i++)
		if (serve->slots[i])
			conn_drop(serve->slots[i]);
}

static void free_listeners(struct tcp_serve *serve)
{
	struct listener *next;

	for (struct listener *l = serve->listeners; l; l = next) {
		next = l->next;
		(void)close(l->fd);
		free(l);
	}
}

void tcp_serve_close(struct tcp_serve *serve)
{
	if (!serve)
		return;
	hang_up_all(serve);
	while (is_busy(serve)) {
		wake_in(serve, NS_PER_S);
		if (loop_turn(serve->shared.loop))
			break;
	}
	loop_drop(serve->shared.loop, &serve->work, &serve->timer);
	free_listeners(serve);
	batch_pool_done(&serve->shared.pool);
	free(serve->slots);
	free(serve);
}
