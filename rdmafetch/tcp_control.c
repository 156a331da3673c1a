/* SPDX-License-Identifier: MIT */
/*
 * tcp_control.c - ask, wait, check the answer
 */
#include "rdmafetch/tcp_control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/parse.h"
#include "rdmafetch/dial.h"
#include "rdmafetch/prefetch.h"
#include "rdmafetch/reply.h"

#define NS_PER_MS   1000000ull
#define PIECE_BYTES (1u << 20)
#define PIECE_NS    1000000000ull /* more time for each further piece */
#define PINGS	    4u

struct tcp_control {
	struct stream stream; /* closed after a connection error */
	int timeout_ms;
	uint32_t last_id;
	uint16_t rdma_port; /* the daemon's */
	uint64_t least_ns;  /* of calls that bring little, HELLO first */
	bool is_sure;	    /* two of them took as long as each other */
	bool wants_trace;
};

void tcp_control_close(struct tcp_control *control)
{
	if (!control)
		return;
	stream_close(&control->stream);
	free(control);
}

struct stream tcp_control_steal(struct tcp_control *control)
{
	struct stream stream = control->stream;

	control->stream = (struct stream){.fd = -1};
	tcp_control_close(control);
	return stream;
}

static int send_request(struct tcp_control *control, enum wire_type type,
			const void *body, size_t body_bytes,
			uint64_t deadline_ns)
{
	uint8_t out[WIRE_HEADER_BYTES + WIRE_REQUEST_MAX];
	struct wire_header header = {.type = (uint16_t)type,
				     .id = ++control->last_id,
				     .body_bytes = (uint32_t)body_bytes};

	wire_put_header(out, &header);
	if (body_bytes)
		memcpy(out + WIRE_HEADER_BYTES, body, body_bytes);
	return stream_send(&control->stream, out,
			   WIRE_HEADER_BYTES + body_bytes, deadline_ns);
}

/*
 * Receive @len bytes onto the heap.  Memory grows with what really arrives, so
 * that a header alone cannot make us allocate.
 */
static int recv_body(struct stream *stream, size_t len, uint64_t deadline_ns,
		     void **ret)
{
	CLEANUP_FREE char *buf = NULL;
	size_t have = 0;

	while (have < len) {
		size_t room = have ? have : PIECE_BYTES; /* doubles */
		char *bigger;
		int err;

		if (room > len - have)
			room = len - have;
		bigger = realloc(buf, have + room);
		if (!bigger)
			return -ENOMEM;
		buf = bigger;
		deadline_ns += room / PIECE_BYTES * PIECE_NS;
		err = stream_recv(stream, buf + have, room, deadline_ns);
		if (err)
			return err;
		have += room;
	}
	*ret = steal_ptr(&buf);
	return 0;
}

static int recv_reply(struct tcp_control *control, enum wire_type type,
		      uint64_t deadline_ns, struct wire_header *ret_header,
		      void **ret_body)
{
	uint8_t in[WIRE_HEADER_BYTES];
	struct wire_header header;
	int err = stream_recv(&control->stream, in, sizeof(in), deadline_ns);

	if (err)
		return err;
	err = wire_get_header(in, WIRE_REPLY_MAX, &header);
	if (err)
		return err;
	if (reply_check(&header, type, control->last_id) ||
	    header.flags & WIRE_FAR)
		return -EPROTO;
	err = recv_body(&control->stream, header.body_bytes, deadline_ns,
			ret_body);
	if (!err)
		*ret_header = header;
	return err;
}

int tcp_control_call(struct tcp_control *control, enum wire_type type,
		     const void *body, size_t body_bytes, void **ret_body,
		     size_t *ret_body_bytes, char *why)
{
	uint64_t deadline_ns =
		io_monotonic_ns() + (uint64_t)control->timeout_ms * NS_PER_MS;
	CLEANUP_FREE void *reply = NULL;
	struct wire_header header;
	int err;

	why[0] = '\0';
	if (control->stream.fd < 0)
		return -ENOTCONN;
	if (body_bytes > WIRE_REQUEST_MAX)
		return -EMSGSIZE;
	err = send_request(control, type, body, body_bytes, deadline_ns);
	if (!err)
		err = recv_reply(control, type, deadline_ns, &header, &reply);
	if (err) {
		stream_close(&control->stream);
		return err;
	}
	if (header.status) {
		parse_plain(why, reply, header.body_bytes);
		return header.status;
	}
	if (ret_body) {
		*ret_body = steal_ptr(&reply);
		*ret_body_bytes = header.body_bytes;
	}
	return 0;
}

/* A call that brings little has ended that began at @start_ns. */
static void note_took(struct tcp_control *control, uint64_t start_ns)
{
	uint64_t took_ns = io_monotonic_ns() - start_ns;

	control->is_sure = prefetch_are_alike(control->least_ns, took_ns);
	if (!control->least_ns || took_ns < control->least_ns)
		control->least_ns = took_ns;
}

/* What this connection's HELLO says: who we are, to whom it leads. */
static int fill_hello(const struct tcp_control *control,
		      const struct sec_settings *sec, struct wire_hello *hello,
		      char *why)
{
	struct sockaddr_storage server;
	const struct sec_way way = {.server = (struct sockaddr *)&server};
	socklen_t len = sizeof(server);

	*hello = (struct wire_hello){.version = WIRE_VERSION,
				     .read_max_bytes = WIRE_READ_MAX};
	if (getpeername(control->stream.fd, (struct sockaddr *)&server, &len))
		return -errno;
	return sec_make_credential(sec, &way, hello, why);
}

static int say_hello(struct tcp_control *control,
		     const struct sec_settings *sec, char *why)
{
	CLEANUP_FREE void *reply = NULL;
	uint8_t body[WIRE_REQUEST_MAX];
	struct wire_hello hello;
	size_t reply_bytes = 0;
	uint64_t start_ns;
	int err = fill_hello(control, sec, &hello, why);

	if (err)
		return err;
	start_ns = io_monotonic_ns();
	err = tcp_control_call(control, WIRE_HELLO, body,
			       wire_put_hello(body, &hello), &reply,
			       &reply_bytes, why);
	if (err)
		return err;
	note_took(control, start_ns);
	err = reply_get_hello(reply, reply_bytes, &hello);
	if (!err)
		control->rdma_port = hello.rdma_port;
	return err;
}

uint16_t tcp_control_rdma_port(const struct tcp_control *control)
{
	return control->rdma_port;
}

int tcp_control_hello(const struct tcp_address *address,
		      struct tcp_control **ret, char *why)
{
	struct tcp_control *control = calloc(1, sizeof(*control));
	int err;

	why[0] = '\0';
	if (!control)
		return -ENOMEM;
	control->stream.fd = -1;
	control->timeout_ms = dial_ms(address);
	err = stream_open(address, &control->stream, why);
	if (!err)
		err = say_hello(control, &address->sec, why);
	control->timeout_ms = address->timeout_ms;
	if (err) {
		tcp_control_close(control);
		return err;
	}
	*ret = control;
	return 0;
}

int tcp_control_open(const struct tcp_address *address,
		     struct tcp_control **ret)
{
	char why[WIRE_WHY_MAX + 1];

	return tcp_control_hello(address, ret, why);
}

int tcp_control_ping(struct tcp_control *control, uint64_t *ret_ns, char *why)
{
	for (unsigned i = 0; i < PINGS && !control->is_sure; i++) {
		uint64_t start_ns = io_monotonic_ns();
		int err = tcp_control_call(control, WIRE_NIL, NULL, 0, NULL,
					   NULL, why);

		if (err)
			return err;
		note_took(control, start_ns);
	}
	*ret_ns = control->least_ns;
	return 0;
}

void tcp_opened_done(struct tcp_opened *opened)
{
	free(opened->desc);
	free(opened->trace);
}

void tcp_control_want_trace(struct tcp_control *control)
{
	control->wants_trace = true;
}

/* Without one, or from a daemon that keeps none, the image is as good. */
static int ask_trace(struct tcp_control *control,
		     const struct wire_image *image,
		     struct tcp_opened *ret_opened, char *why)
{
	uint8_t request[WIRE_REQUEST_MAX];
	uint64_t start_ns = io_monotonic_ns();
	int err = tcp_control_call(
		control, WIRE_TRACE, request, wire_put_image(request, image),
		&ret_opened->trace, &ret_opened->trace_bytes, why);

	ret_opened->is_traced = true;
	if (control->stream.fd < 0)
		return err;
	note_took(control, start_ns);
	return 0;
}

int tcp_control_image(struct tcp_control *control,
		      const struct wire_image *image, uint32_t *ret_handle,
		      struct tcp_opened *ret_opened, char *why)
{
	uint8_t request[WIRE_REQUEST_MAX];
	CLEANUP_FREE void *reply = NULL;
	size_t bytes = 0;
	int err = tcp_control_call(control, WIRE_OPEN, request,
				   wire_put_image(request, image), &reply,
				   &bytes, why);

	if (!err)
		err = reply_take_opened(&reply, bytes, ret_handle, ret_opened);
	if (!err && control->wants_trace)
		err = ask_trace(control, image, ret_opened, why);
	return err;
}
