/* SPDX-License-Identifier: MIT */
/* tcp_conn.c - see tcp_conn.h */
#include "rdmafetch/tcp_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io.h"
#include "rdmafetch/tcp_secure.h"
#include "rdmafetch/tls.h"

#define NS_PER_MS 1000000ull
/* Of the unix socket: room for replies while the client is not running. */
#define SOCKET_BUFFER_BYTES (1 << 20)

static struct tcp_conn *conn_of(struct loop_op *op, size_t offset)
{
	return (struct tcp_conn *)((char *)op - offset);
}

static uint64_t deadline_in(int ms)
{
	return io_monotonic_ns() + (uint64_t)ms * NS_PER_MS;
}

void conn_make_ready(struct tcp_conn *conn)
{
	struct tcp_shared *shared = conn->shared;

	if (conn->in_ready)
		return;
	conn->in_ready = true;
	conn->next_ready = NULL;
	if (shared->last_ready)
		shared->last_ready->next_ready = conn;
	else
		shared->ready = conn;
	shared->last_ready = conn;
}

/* A shut down socket ends the receive and the send that are under way. */
void conn_drop(struct tcp_conn *conn)
{
	if (conn->dropped)
		return;
	conn->dropped = true;
	conn->deadline_ns = 0;
	(void)shutdown(conn->fd, SHUT_RDWR);
	conn_make_ready(conn);
}

static void drop_broken(struct tcp_conn *conn)
{
	conn->shared->server->stats.broken++;
	conn_drop(conn);
}

static void received(struct loop_op *op, int result, uint32_t flags)
{
	struct tcp_conn *conn = conn_of(op, offsetof(struct tcp_conn, recv_op));

	conn->receiving = false;
	conn_make_ready(conn);
	if (result == -EINTR || result == -EAGAIN)
		return;
	if (result <= 0) {
		conn_drop(conn);
		return;
	}
	if (conn->ending)
		return;
	if (conn->tls)
		tls_came(conn->tls, (size_t)result);
	else
		conn->in_bytes += (uint32_t)result;
}

/* A stranger's time is that of its HELLO, whatever TLS sends before. */
static bool has_send_deadline(const struct tcp_conn *conn)
{
	return conn->joined || conn->ending;
}

static void sent(struct loop_op *op, int result, uint32_t flags)
{
	struct tcp_conn *conn = conn_of(op, offsetof(struct tcp_conn, send_op));

	conn->sending = false;
	if (has_send_deadline(conn))
		conn->deadline_ns = 0;
	conn_make_ready(conn);
	if (result == -EINTR || result == -EAGAIN)
		return;
	if (result < 0) {
		conn_drop(conn);
		return;
	}
	if (conn->tls)
		tls_went(conn->tls, (size_t)result);
	else if (batch_sent(&conn->leaving, (size_t)result))
		batch_reset(&conn->leaving, &conn->shared->pool);
}

/* Latency, and an end for connections to hosts that are gone. */
static void tune_socket(int fd)
{
	int one = 1, bytes = SOCKET_BUFFER_BYTES;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes,
				 sizeof(bytes));
	else
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one,
				 sizeof(one));
}

int conn_open(struct tcp_shared *shared, int fd, uint64_t client,
	      struct tcp_conn **ret)
{
	struct tcp_conn *conn = calloc(1, sizeof(*conn));

	if (!conn) {
		(void)close(fd);
		return -ENOMEM;
	}
	tune_socket(fd);
	conn->shared = shared;
	conn->fd = fd;
	conn->client = client;
	conn->recv_op.done = received;
	conn->send_op.done = sent;
	conn->reader.ops = shared->server->handler;
	conn->reader.stats = &shared->server->stats;
	conn->deadline_ns = deadline_in(shared->server->options.hello_ms);
	shared->server->stats.strangers++;
	conn_make_ready(conn);
	*ret = conn;
	return 0;
}

int conn_answer(struct tcp_conn *conn, const struct wire_header *header,
		const void *head, size_t head_bytes,
		const struct serve_tail *tail)
{
	int error;

	error = todo_add_answer(&conn->todo, header, head, head_bytes, tail);
	if (error)
		conn_drop(conn);
	else
		conn_make_ready(conn);
	return error;
}

/* The last words to a client that may not stay. */
static void turn_away(struct tcp_conn *conn, uint32_t id, int error,
		      const char *why)
{
	struct wire_header header = {
		.type = WIRE_HELLO,
		.flags = WIRE_REPLY,
		.id = id,
		.status = error,
		.body_bytes = (uint32_t)strlen(why),
	};

	conn->ending = true;
	(void)conn_answer(conn, &header, why, header.body_bytes, NULL);
}

static void welcome(struct tcp_conn *conn, uint32_t id)
{
	uint8_t body[WIRE_REQUEST_MAX];
	struct wire_header header = {
		.type = WIRE_HELLO,
		.flags = WIRE_REPLY,
		.id = id,
	};

	header.body_bytes = (uint32_t)serve_welcome(conn->shared->server, body);
	conn->joined = true;
	conn->deadline_ns = 0;
	(void)conn_answer(conn, &header, body, header.body_bytes, NULL);
}

static int take_hello(struct tcp_conn *conn, const struct wire_header *header,
		      const uint8_t *body)
{
	const struct serve_greeting greeting = {
		.body = body,
		.body_bytes = header->body_bytes,
		.fd = conn->fd,
		.tls_name = conn->tls ? tls_name(conn->tls) : NULL,
	};
	char why[WIRE_WHY_MAX + 1] = "";
	int error;

	if (conn->joined)
		return -EPROTO;
	error = serve_hello(conn->shared->server, &greeting,
			    &conn->reader.session, why);
	if (error == -EPROTO)
		return error;
	conn->todo.nr_asked++;
	if (error)
		turn_away(conn, header->id, error, why);
	else
		welcome(conn, header->id);
	return 0;
}

static int take_read(struct tcp_conn *conn, const struct wire_header *header,
		     const uint8_t *body)
{
	struct wire_read read;
	int error;

	error = wire_get_read(body, header->body_bytes, &read);
	if (error)
		return error;
	todo_add_read(&conn->todo, header->flags & WIRE_URGENT, header->id,
		      &read);
	return 0;
}

/* What has one answer for everybody: no handler need know of it. */
static int answer_here(struct tcp_conn *conn, const struct wire_header *header)
{
	static const char no_verbs[] =
		"memory is exported over RDMA connections only, and this is "
		"none";
	struct wire_header reply = {
		.type = header->type,
		.flags = WIRE_REPLY,
		.id = header->id,
	};

	if (header->type == WIRE_NIL)
		return conn_answer(conn, &reply, NULL, 0, NULL);
	reply.status = -EOPNOTSUPP;
	reply.body_bytes = sizeof(no_verbs) - 1;
	return conn_answer(conn, &reply, no_verbs, reply.body_bytes, NULL);
}

static int take_request(struct tcp_conn *conn, const struct wire_header *header,
			const uint8_t *body)
{
	const struct serve_ticket ticket = {
		.server = conn->shared->server,
		.client = conn->client,
		.id = header->id,
		.type = header->type,
	};

	conn->shared->server->stats.requests++;
	if (header->type == WIRE_HELLO)
		return take_hello(conn, header, body);
	if (!conn->joined)
		return -EPROTO;
	if (header->type == WIRE_READ)
		return take_read(conn, header, body);
	if (header->type == WIRE_TAKEN)
		return -EPROTO; /* no reply of ours was FAR */
	conn->todo.nr_asked++;
	if (header->type == WIRE_NIL || header->type == WIRE_EXPORT) {
		(void)answer_here(conn, header);
		return 0;
	}
	conn->shared->server->handler->request(conn->reader.session, &ticket,
					       body, header->body_bytes);
	return 0;
}

static int fits(const struct tcp_conn *conn, const struct wire_header *header)
{
	if (header->type == WIRE_READ)
		return todo_read_fits(&conn->todo, header->flags & WIRE_URGENT);
	return todo_ask_fits(&conn->todo);
}

/* Take one whole request off the front of @in.  Returns the bytes it took, 0
 * when it is not whole yet or does not fit, or -EPROTO. */
static int take_frame(struct tcp_conn *conn, const uint8_t *in, uint32_t len)
{
	struct wire_header header;
	uint32_t frame_bytes;
	int error;

	if (len < WIRE_HEADER_BYTES)
		return 0;
	error = wire_get_header(in, WIRE_REQUEST_MAX, &header);
	if (error || header.flags & WIRE_REPLY || header.status)
		return -EPROTO;
	frame_bytes = WIRE_HEADER_BYTES + header.body_bytes;
	if (len < frame_bytes)
		return 0;
	conn->blocked = !fits(conn, &header);
	if (conn->blocked) {
		conn->waiting = header;
		return 0;
	}
	error = take_request(conn, &header, in + WIRE_HEADER_BYTES);
	return error ? error : (int)frame_bytes;
}

/* Close the gap that the requests taken have left; but what waits for room
 * stays where it is while the kernel is to write behind it. */
static void close_gap(struct tcp_conn *conn)
{
	if (!conn->in_at || (conn->receiving && !conn->tls))
		return;
	conn->in_bytes -= conn->in_at;
	memmove(conn->in, conn->in + conn->in_at, conn->in_bytes);
	conn->in_at = 0;
}

static void take_frames(struct tcp_conn *conn)
{
	int took;

	conn->blocked = false;
	while (!conn->dropped && !conn->ending) {
		took = take_frame(conn, conn->in + conn->in_at,
				  conn->in_bytes - conn->in_at);
		if (took < 0)
			drop_broken(conn);
		if (took <= 0)
			break;
		conn->in_at += (uint32_t)took;
	}
	if (conn->ending)
		conn->in_at = conn->in_bytes;
	close_gap(conn);
}

void conn_take(struct tcp_conn *conn)
{
	struct batch_pool *pool = &conn->shared->pool;

	if (conn->dropped)
		return;
	secure_look(conn);
	do
		take_frames(conn);
	while (!conn->blocked && secure_get(conn));
	if (!todo_waiting(&conn->todo))
		return;
	if (!conn->filling.tail.bytes && !batch_room(&conn->filling, pool)) {
		conn_drop(conn); /* no memory for a batch */
		return;
	}
	todo_fill_first(&conn->todo, &conn->reader, &conn->filling, pool);
}

int conn_fill_bulk(struct tcp_conn *conn)
{
	if (conn->dropped || !todo_has_bulk(&conn->todo, &conn->filling))
		return 0;
	todo_fill_bulk(&conn->todo, &conn->reader, &conn->filling,
		       &conn->shared->pool);
	return 1;
}

/* Where the next bytes go; in TLS to the session, once it is one. */
static void *input_room(struct tcp_conn *conn, size_t *ret_bytes)
{
	if (conn->tls)
		return tls_room(conn->tls, ret_bytes);
	*ret_bytes = CONN_IN_BYTES - conn->in_bytes;
	return conn->in + conn->in_bytes;
}

static void start_receive(struct tcp_conn *conn)
{
	struct io_uring_sqe *sqe;
	size_t bytes;
	void *to;

	if (conn->receiving)
		return;
	to = input_room(conn, &bytes);
	if (!bytes)
		return;
	sqe = loop_sqe(conn->shared->loop);
	io_uring_prep_recv(sqe, conn->fd, to, bytes, 0);
	loop_mark(sqe, &conn->recv_op);
	conn->receiving = true;
}

/* The batch that leaves, or the next one.  0 when there is nothing to send. */
static int choose_batch(struct tcp_conn *conn)
{
	/* One without a reply keeps its buffer for the next. */
	if (batch_empty(&conn->leaving) && !batch_empty(&conn->filling)) {
		conn->leaving = conn->filling;
		conn->filling = (struct tcp_batch){0};
	}
	return conn->tls ? secure_fill(conn) : !batch_empty(&conn->leaving);
}

static void prepare_send(struct tcp_conn *conn, struct io_uring_sqe *sqe)
{
	const void *out;
	size_t bytes;

	if (!conn->tls) {
		io_uring_prep_sendmsg(sqe, conn->fd, batch_msg(&conn->leaving),
				      MSG_NOSIGNAL);
		return;
	}
	out = tls_out(conn->tls, &bytes);
	io_uring_prep_send(sqe, conn->fd, out, bytes, MSG_NOSIGNAL);
}

static void start_send(struct tcp_conn *conn)
{
	struct io_uring_sqe *sqe;

	if (conn->sending || !choose_batch(conn))
		return;
	sqe = loop_sqe(conn->shared->loop);
	prepare_send(conn, sqe);
	loop_mark(sqe, &conn->send_op);
	conn->sending = true;
	if (has_send_deadline(conn))
		conn->deadline_ns =
			deadline_in(conn->shared->server->options.stall_ms);
	conn->shared->server->stats.sends++;
}

/*
 * Close our half once all is sent, and read on until the client has closed its
 * half: a close with unread bytes would reset the connection, and with it the
 * last words.
 */
static void hang_up(struct tcp_conn *conn)
{
	if (conn->hung_up || conn->sending || todo_waiting(&conn->todo))
		return;
	if (secure_end(conn)) {
		start_send(conn);
		return;
	}
	conn->hung_up = true;
	conn->deadline_ns = deadline_in(conn->shared->server->options.hello_ms);
	(void)shutdown(conn->fd, SHUT_WR);
}

/* There is something to take or fill, and somewhere to put it.  What the
 * handler owes is not: its answer makes the connection ready. */
static int can_fill(const struct tcp_conn *conn)
{
	if (conn->sending && !batch_empty(&conn->filling))
		return 0;
	return todo_waiting(&conn->todo) ||
	       (conn->blocked && fits(conn, &conn->waiting));
}

int conn_flow(struct tcp_conn *conn)
{
	if (conn->dropped)
		return 0;
	start_send(conn);
	if (conn->ending)
		hang_up(conn);
	start_receive(conn);
	return can_fill(conn);
}

void conn_expire(struct tcp_conn *conn, uint64_t now_ns)
{
	if (conn->deadline_ns && conn->deadline_ns <= now_ns)
		drop_broken(conn);
}

int conn_is_over(const struct tcp_conn *conn)
{
	return conn->dropped && !conn->receiving && !conn->sending;
}

void conn_close(struct tcp_conn *conn)
{
	serve_goodbye(conn->shared->server, conn->joined, conn->reader.session);
	todo_done(&conn->todo);
	batch_reset(&conn->filling, &conn->shared->pool);
	batch_reset(&conn->leaving, &conn->shared->pool);
	tls_free(conn->tls);
	(void)close(conn->fd);
	free(conn);
}
