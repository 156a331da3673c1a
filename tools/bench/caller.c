/* SPDX-License-Identifier: MIT */
/*
 * caller.c - NIL calls over a stream socket
 *
 * A call's id is its slot, and a slot is used again when it is answered.  No
 * more bytes of answers are under way than a socket's buffer holds, so that a
 * blocking send cannot wait for a far end that waits for us.
 */
#include "tools/bench/caller.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/wire.h"

#define PATIENCE_S  10
#define INPUT_BYTES (CALLER_UNDERWAY_MAX * WIRE_HEADER_BYTES)

struct caller {
	int fd;
	unsigned underway_max, body_bytes;
	unsigned nr_free, free_ids[CALLER_UNDERWAY_MAX];
	uint64_t start_ns[CALLER_UNDERWAY_MAX]; /* 0: not under way */
	size_t in_bytes;
	uint8_t input[INPUT_BYTES];
	uint8_t output[]; /* every call that may be under way, with its body */
};

static int connect_to(struct caller *caller, const struct tcp_address *address,
		      char *why)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct tcp_control *control = NULL;
	int error = tcp_control_hello(address, &control, why);

	if (error)
		return error;
	caller->fd = tcp_control_steal(control);
	if (setsockopt(caller->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) ||
	    setsockopt(caller->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		       sizeof(patience)))
		return -errno;
	return 0;
}

int caller_open(const struct caller_options *options, struct caller **ret,
		char *why)
{
	size_t call_bytes = WIRE_HEADER_BYTES + options->body_bytes;
	struct caller *caller;
	int error;

	why[0] = '\0';
	if (options->proto != PLACE_TCP)
		return -EOPNOTSUPP;
	caller = calloc(1, sizeof(*caller) + options->underway * call_bytes);
	if (!caller)
		return -ENOMEM;
	caller->fd = -1;
	caller->underway_max = options->underway;
	caller->body_bytes = options->body_bytes;
	while (caller->nr_free < options->underway) {
		caller->free_ids[caller->nr_free] = caller->nr_free;
		caller->nr_free++;
	}
	error = connect_to(caller, &options->address, why);
	if (error) {
		caller_close(caller);
		return error;
	}
	*ret = caller;
	return 0;
}

/* The body stays what it was: zeros. */
static size_t put_call(struct caller *caller, uint8_t *out, uint64_t now_ns)
{
	unsigned id = caller->free_ids[--caller->nr_free];
	const struct wire_header header = {
		.type = WIRE_NIL,
		.id = id,
		.body_bytes = caller->body_bytes,
	};

	caller->start_ns[id] = now_ns;
	wire_put_header(out, &header);
	memset(out + WIRE_HEADER_BYTES, 0, caller->body_bytes);
	return WIRE_HEADER_BYTES + caller->body_bytes;
}

int caller_start(struct caller *caller, unsigned nr)
{
	uint64_t now_ns = io_monotonic_ns();
	size_t len = 0, sent = 0;

	if (nr > caller->nr_free)
		return -EINVAL;
	while (nr--)
		len += put_call(caller, caller->output + len, now_ns);
	while (sent < len) {
		ssize_t n = send(caller->fd, caller->output + sent, len - sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n > 0)
			sent += (size_t)n;
	}
	return 0;
}

/* One answer: good, and to a call that is under way. */
static int take(struct caller *caller, const uint8_t *in, uint64_t now_ns,
		struct hist *hist)
{
	struct wire_header header;

	/* No body: NIL has none, and a refusal is the end. */
	if (wire_get_header(in, 0, &header) || header.type != WIRE_NIL ||
	    header.flags != WIRE_REPLY || header.status ||
	    header.id >= caller->underway_max || !caller->start_ns[header.id])
		return -EPROTO;
	hist_add(hist, now_ns - caller->start_ns[header.id]);
	caller->start_ns[header.id] = 0;
	caller->free_ids[caller->nr_free++] = header.id;
	return 0;
}

static int take_input(struct caller *caller, struct hist *hist)
{
	uint64_t now_ns = io_monotonic_ns();
	size_t at = 0;
	int nr = 0;

	for (; caller->in_bytes - at >= WIRE_HEADER_BYTES; nr++) {
		if (take(caller, caller->input + at, now_ns, hist))
			return -EPROTO;
		at += WIRE_HEADER_BYTES;
	}
	caller->in_bytes -= at;
	memmove(caller->input, caller->input + at, caller->in_bytes);
	return nr;
}

int caller_reap(struct caller *caller, struct hist *hist)
{
	int nr = 0;

	while (!nr) {
		ssize_t n = recv(caller->fd, caller->input + caller->in_bytes,
				 INPUT_BYTES - caller->in_bytes, 0);

		if (!n)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n > 0)
			caller->in_bytes += (size_t)n;
		nr = take_input(caller, hist);
	}
	return nr;
}

void caller_close(struct caller *caller)
{
	if (!caller)
		return;
	if (caller->fd >= 0)
		(void)close(caller->fd);
	free(caller);
}
