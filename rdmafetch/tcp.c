/* SPDX-License-Identifier: MIT */
/*
 * tcp.c - reads as messages
 *
 * Sending: submit encodes into one buffer, which has room for every read that
 * may be under way, and sends without blocking.  What the socket does not take
 * is sent by the next submit or reap.  Nobody has to wait for room: bytes are
 * left over only when the socket is full of requests, and each of these is
 * answered, which brings the reaper back here.
 *
 * Receiving: a small reply comes with one system call into a buffer of ours and
 * is copied; of a long one, the rest goes straight into the caller's buffer,
 * with the next replies behind it in ours:
 *
 *     recvmsg:  [ rest of the body -> caller ][ header body header .. -> input
 * ]
 *
 * A lone page costs two system calls, send and receive.  io_uring with both in
 * one call was measured at 12.1 us instead of 12.7 over loopback, but needs one
 * thread that does both; with the send apart, as here, it was slower (12.9).
 *
 * Inside TLS what is received is kept by the session, and taken out of it
 * record by record to the same two places; all of it, before anybody waits
 * again.
 *
 * Locks: tcp.lock guards the slots, the output, and the TLS session; it is held
 * while sending, which does not block.  The input is the reaper's alone.
 */
#include "rdmafetch/tcp.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "common/io.h"
#include "rdmafetch/tcp_output.h"
#include "rdmafetch/tcp_slots.h"

#define INPUT_BYTES 16384u
#define NS_PER_MS   1000000ull

/* The reply that is being received. */
struct body {
	uint32_t id;
	int result;
	char *at; /* NULL: dropped */
	size_t left_bytes;
};

struct tcp {
	struct transport base;
	struct stream stream;
	uint32_t handle;
	pthread_mutex_t lock;
	bool broken;
	struct tcp_slots slots;
	struct tcp_output output;

	/* the reaper's */
	bool in_body;
	struct body body;
	uint8_t input[INPUT_BYTES];
	size_t in_at, in_end; /* bytes of input not looked at */
	int timeout_ms;	      /* as SO_RCVTIMEO has it */
};

static struct tcp *tcp_of(struct transport *transport)
{
	return (struct tcp *)transport;
}

/* ---- sending; tcp.lock is held ---- */

/* The socket is shut down, not closed: that wakes a reaper who is in it. */
static void break_locked(struct tcp *tcp)
{
	tcp->broken = true;
	(void)shutdown(tcp->stream.fd, SHUT_RDWR);
}

static void send_output(struct tcp *tcp)
{
	if (!tcp->broken && output_send(&tcp->output, &tcp->stream))
		break_locked(tcp);
}

static void send_rest(struct tcp *tcp)
{
	if (!tcp->broken && output_send_rest(&tcp->output, &tcp->stream))
		break_locked(tcp);
}

static bool has_room(const struct tcp *tcp, const struct transport_read *read)
{
	/* A far end that answers what was not sent must not overrun us. */
	return slots_fit(&tcp->slots, read) && output_fits(&tcp->output);
}

/* Returns 1: the read is taken. */
static unsigned take(struct tcp *tcp, const struct transport_read *read)
{
	const struct wire_read body = {
		.handle = tcp->handle,
		.object = read->object,
		.raddr = read->raddr,
		.len_bytes = read->len_bytes,
	};
	uint32_t id = slots_take(&tcp->slots, read);

	if (!tcp->broken)
		output_add(&tcp->output, id, read->urgent, &body);
	return 1;
}

static int tcp_submit(struct transport *transport,
		      const struct transport_read *reads, unsigned nr)
{
	struct tcp *tcp = tcp_of(transport);
	unsigned taken = 0;
	int err = 0;

	(void)pthread_mutex_lock(&tcp->lock);
	while (!err && taken < nr) {
		const struct transport_read *read = &reads[taken];

		if (!transport_read_is_legal(read))
			err = -EINVAL;
		else if (!has_room(tcp, read))
			err = -EAGAIN;
		else
			taken += take(tcp, read);
	}
	send_output(tcp);
	(void)pthread_mutex_unlock(&tcp->lock);
	return taken ? (int)taken : err;
}

/* ---- receiving; the reaper only ---- */

static void break_now(struct tcp *tcp)
{
	(void)pthread_mutex_lock(&tcp->lock);
	break_locked(tcp);
	(void)pthread_mutex_unlock(&tcp->lock);
}

/* What a far end's status means to the contract. */
static int result_of(int32_t status)
{
	return status == -EIO ? -EREMOTEIO : status;
}

/* Begin the reply that @header announces.  False: it breaks the protocol. */
static bool begin_body(struct tcp *tcp, const struct wire_header *header)
{
	const struct slot *found;
	struct slot slot = {0};

	if (header->type != WIRE_READ || !(header->flags & WIRE_REPLY) ||
	    header->flags & WIRE_FAR)
		return false;
	(void)pthread_mutex_lock(&tcp->lock);
	found = slots_find(&tcp->slots, header->id);
	if (found)
		slot = *found;
	(void)pthread_mutex_unlock(&tcp->lock);
	if (!slot.busy ||
	    (header->status ? header->body_bytes > WIRE_WHY_MAX
			    : header->body_bytes != slot.len_bytes))
		return false;
	tcp->in_body = true;
	tcp->body.id = header->id;
	tcp->body.result = result_of(header->status);
	tcp->body.at = header->status ? NULL : slot.buf;
	tcp->body.left_bytes = header->body_bytes;
	return true;
}

/* Look at a header in the input.  False: more bytes are needed, or broken. */
static bool parse_header(struct tcp *tcp)
{
	struct wire_header header;

	if (tcp->in_end - tcp->in_at < WIRE_HEADER_BYTES)
		return false;
	if (wire_get_header(tcp->input + tcp->in_at, WIRE_READ_MAX, &header) ||
	    !begin_body(tcp, &header)) {
		break_now(tcp);
		return false;
	}
	tcp->in_at += WIRE_HEADER_BYTES;
	return true;
}

static void advance_body(struct body *body, size_t bytes)
{
	if (body->at)
		body->at += bytes;
	body->left_bytes -= bytes;
}

/* Move input into the body.  False: the input was too short. */
static bool parse_body(struct tcp *tcp)
{
	struct body *body = &tcp->body;
	size_t bytes = tcp->in_end - tcp->in_at;

	if (bytes > body->left_bytes)
		bytes = body->left_bytes;
	if (bytes && body->at)
		memcpy(body->at, tcp->input + tcp->in_at, bytes);
	tcp->in_at += bytes;
	advance_body(body, bytes);
	return !body->left_bytes;
}

/* Finish replies out of the input, as far as it goes. */
static unsigned parse_input(struct tcp *tcp, struct transport_done *done,
			    unsigned max)
{
	unsigned nr = 0;

	while (nr < max && (tcp->in_body || parse_header(tcp)) &&
	       parse_body(tcp)) {
		(void)pthread_mutex_lock(&tcp->lock);
		slots_free(&tcp->slots, tcp->body.id, tcp->body.result,
			   &done[nr++]);
		(void)pthread_mutex_unlock(&tcp->lock);
		tcp->in_body = false;
	}
	return nr;
}

/* -EIO for what is under way; nothing that still comes is looked at. */
static unsigned fail_all(struct tcp *tcp, struct transport_done *done,
			 unsigned max)
{
	unsigned nr;

	tcp->in_body = false;
	tcp->in_at = tcp->in_end = 0;
	(void)pthread_mutex_lock(&tcp->lock);
	nr = slots_free_all(&tcp->slots, -EIO, done, max);
	(void)pthread_mutex_unlock(&tcp->lock);
	return nr;
}

/* Let the next receive wait at most @timeout_ms: -1 for ever, never 0. */
static void set_timeout(struct tcp *tcp, int timeout_ms)
{
	struct timeval t = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

	if (timeout_ms == tcp->timeout_ms)
		return;
	if (timeout_ms < 0)
		t.tv_sec = t.tv_usec = 0;
	if (!setsockopt(tcp->stream.fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)))
		tcp->timeout_ms = timeout_ms;
}

/* Bytes came: first the rest of the body, then input. */
static void took(struct tcp *tcp, size_t bytes)
{
	size_t direct = 0;

	if (tcp->in_body && tcp->body.at) {
		direct = bytes < tcp->body.left_bytes ? bytes
						      : tcp->body.left_bytes;
		advance_body(&tcp->body, direct);
	}
	tcp->in_end += bytes - direct;
}

static void move_input(struct tcp *tcp)
{
	memmove(tcp->input, tcp->input + tcp->in_at, tcp->in_end - tcp->in_at);
	tcp->in_end -= tcp->in_at;
	tcp->in_at = 0;
}

static ssize_t receive_plain(struct tcp *tcp, int flags)
{
	struct iovec iov[2];
	struct msghdr message = {.msg_iov = iov};
	ssize_t n;

	move_input(tcp);
	if (tcp->in_body && tcp->body.at)
		iov[message.msg_iovlen++] =
			(struct iovec){tcp->body.at, tcp->body.left_bytes};
	iov[message.msg_iovlen++] = (struct iovec){tcp->input + tcp->in_end,
						   INPUT_BYTES - tcp->in_end};
	n = recvmsg(tcp->stream.fd, &message, flags);
	if (n > 0)
		took(tcp, (size_t)n);
	return n;
}

/*
 * Receive once, waiting at most @timeout_ms.  False: nothing came in time, or
 * the connection broke.
 */
static bool receive(struct tcp *tcp, int timeout_ms)
{
	int flags = timeout_ms ? 0 : MSG_DONTWAIT;
	ssize_t n;

	if (timeout_ms)
		set_timeout(tcp, timeout_ms);
	n = tcp->stream.tls ? stream_fill(&tcp->stream, flags)
			    : receive_plain(tcp, flags);
	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		break_now(tcp);
	return n > 0;
}

/* Take a record of what was received.  False: none is whole, or it broke. */
static bool decrypt(struct tcp *tcp)
{
	char *to = tcp->body.at;
	size_t room = tcp->body.left_bytes;
	ssize_t n = -EAGAIN;

	move_input(tcp);
	if (!tcp->in_body || !to) {
		to = (char *)tcp->input + tcp->in_end;
		room = INPUT_BYTES - tcp->in_end;
	}
	(void)pthread_mutex_lock(&tcp->lock);
	if (!tcp->broken)
		n = stream_get(&tcp->stream, to, room);
	(void)pthread_mutex_unlock(&tcp->lock);
	if (n > 0)
		took(tcp, (size_t)n);
	else if (n != -EAGAIN)
		break_now(tcp);
	return n > 0;
}

/* Finish replies out of all that was received. */
static unsigned collect(struct tcp *tcp, struct transport_done *done,
			unsigned max)
{
	unsigned nr = parse_input(tcp, done, max);

	while (tcp->stream.tls && nr < max && decrypt(tcp))
		nr += parse_input(tcp, done + nr, max - nr);
	return nr;
}

enum state { NOTHING_UNDERWAY, UNDERWAY, BROKEN };

/* Send what is left over, and say how things stand. */
static enum state look(struct tcp *tcp)
{
	enum state state = UNDERWAY;

	(void)pthread_mutex_lock(&tcp->lock);
	send_rest(tcp);
	if (!tcp->slots.nr_busy)
		state = NOTHING_UNDERWAY;
	else if (tcp->broken)
		state = BROKEN;
	(void)pthread_mutex_unlock(&tcp->lock);
	return state;
}

static int ms_left(uint64_t until_ns)
{
	uint64_t now = io_monotonic_ns();

	return now < until_ns ? (int)((until_ns - now - 1) / NS_PER_MS + 1) : 0;
}

static int tcp_reap(struct transport *transport, struct transport_done *done,
		    unsigned max, int timeout_ms)
{
	struct tcp *tcp = tcp_of(transport);
	uint64_t until = 0;
	unsigned nr;

	if (timeout_ms > 0)
		until = io_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	while (!(nr = collect(tcp, done, max))) {
		enum state state = look(tcp);

		if (state == BROKEN)
			return (int)fail_all(tcp, done, max);
		if (state == NOTHING_UNDERWAY)
			return 0;
		if (!receive(tcp, timeout_ms) && !timeout_ms &&
		    look(tcp) != BROKEN)
			return 0;
		if (timeout_ms > 0)
			timeout_ms = ms_left(until);
	}
	return (int)nr;
}

static int tcp_fd(struct transport *transport)
{
	return tcp_of(transport)->stream.fd;
}

static void tcp_close(struct transport *transport)
{
	struct tcp *tcp = tcp_of(transport);

	stream_close(&tcp->stream);
	(void)pthread_mutex_destroy(&tcp->lock);
	free(tcp);
}

static const struct transport_ops tcp_ops = {
	.name = "tcp",
	.submit = tcp_submit,
	.reap = tcp_reap,
	.fd = tcp_fd,
	.close = tcp_close,
};

/* ---- opening ---- */

static struct tcp *tcp_new(void)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (!tcp)
		return NULL;
	tcp->base.ops = &tcp_ops;
	tcp->stream.fd = -1;
	tcp->timeout_ms = -1; /* a new socket waits for ever */
	(void)pthread_mutex_init(&tcp->lock, NULL);
	return tcp;
}

int tcp_adopt(struct stream stream, uint32_t handle, struct transport **ret)
{
	struct tcp *tcp = tcp_new();

	if (!tcp)
		return -ENOMEM;
	tcp->stream = stream;
	tcp->handle = handle;
	*ret = &tcp->base;
	return 0;
}

int tcp_open_on(struct tcp_control *control, const struct wire_image *image,
		struct transport **ret, struct tcp_opened *ret_opened,
		char *why)
{
	struct tcp_opened opened = {0};
	uint32_t handle = 0;
	int err = tcp_control_image(control, image, &handle, &opened, why);
	struct stream stream;

	if (!err)
		err = tcp_control_ping(control, &opened.nil_ns, why);
	if (err) {
		tcp_opened_done(&opened);
		tcp_control_close(control);
		return err;
	}
	stream = tcp_control_steal(control);
	err = tcp_adopt(stream, handle, ret);
	if (err) {
		tcp_opened_done(&opened);
		stream_close(&stream);
		return err;
	}
	*ret_opened = opened;
	return 0;
}

int tcp_open(const struct tcp_address *address, const struct wire_image *image,
	     struct transport **ret, struct tcp_opened *ret_opened, char *why)
{
	struct tcp_control *control = NULL;
	int err = tcp_control_hello(address, &control, why);

	return err ? err : tcp_open_on(control, image, ret, ret_opened, why);
}
