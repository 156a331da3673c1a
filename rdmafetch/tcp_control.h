/* SPDX-License-Identifier: MIT */
/*
 * tcp_control.h - one question at a time to a mitosisd
 *
 * Above: the programs, and tcp.c, which opens an image this way before its
 * connection carries reads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/parse.h"
#include "common/wire.h"
#include "rdmafetch/sec.h"
#include "rdmafetch/stream.h"

/* A control connection: HELLO is done.  One thread at a time. */
struct tcp_control;

struct tcp_address {
	bool is_unix;
	char host[PARSE_HOST_MAX + 1]; /* name or address; path when is_unix */
	uint16_t port;
	/*
	 * Of each control call; an answer longer than a MiB gets a second more
	 * for each.  To connect, and to say HELLO, take DIAL_MS each at most.
	 */
	int timeout_ms;
	struct sec_settings sec; /* how to say who asks */
};

/*
 * Connect and say HELLO, inside TLS with sec=psk.
 *
 * Returns 0, or
 *   -ENOENT           unknown host, or no such unix socket
 *   -ETIMEDOUT        nobody answered in time
 *   -EPROTONOSUPPORT  the daemon speaks another version
 *   -EPROTO           what answers is no mitosisd
 *   -ECONNRESET       the daemon hung up
 *   or -errno of connect(2), stream_open() or sec_make_credential(), or the
 *   daemon's refusal.
 */
int tcp_control_open(const struct tcp_address *address,
		     struct tcp_control **ret);

/*
 * As tcp_control_open(), with words in @why when the daemon refuses HELLO, or
 * there is no credential to show ("" otherwise); it has WIRE_WHY_MAX + 1 bytes.
 */
int tcp_control_hello(const struct tcp_address *address,
		      struct tcp_control **ret, char *why);

/* The port on which the daemon listens for RDMA, or 0. */
uint16_t tcp_control_rdma_port(const struct tcp_control *control);

/*
 * Ask and wait for the answer.  @why receives the daemon's words when it
 * refuses ("" otherwise); it has WIRE_WHY_MAX + 1 bytes and is never NULL.
 * They are printable ASCII.  *@ret_body, when not NULL, is the caller's to
 * free(), and NULL when the body is empty.
 *
 * Returns 0, the refusal's -errno, -EMSGSIZE for a body over WIRE_REQUEST_MAX,
 * or the connection's error: then it is of no more use (-ENOTCONN).
 */
int tcp_control_call(struct tcp_control *control, enum wire_type type,
		     const void *body, size_t body_bytes, void **ret_body,
		     size_t *ret_body_bytes, char *why);

/* What comes with an opened image. */
struct tcp_opened {
	void *desc; /* the encoded descriptor, the caller's to free() */
	size_t desc_bytes;
	uint32_t lease_s; /* renew (WIRE_RENEW) before this ends */
	uint64_t nil_ns;  /* of an empty call, at best; 0: not known */
	/* See tcp_control_want_trace(). */
	bool is_traced;
	void *trace; /* the caller's to free(); NULL: there is none */
	size_t trace_bytes;
};

/* Free what is in @opened. */
void tcp_opened_done(struct tcp_opened *opened);

/*
 * With the next image that is opened comes its trace as the daemon has sent it
 * (WIRE_TRACE), checked by nobody yet.
 */
void tcp_control_want_trace(struct tcp_control *control);

/*
 * Open @image on this connection: *@ret_handle names it in its READs.  Errors
 * as tcp_control_call(); with one *@ret_opened may own memory all the same.
 */
int tcp_control_image(struct tcp_control *control,
		      const struct wire_image *image, uint32_t *ret_handle,
		      struct tcp_opened *ret_opened, char *why);

/*
 * How long an empty call takes, at best: what stands between the two ends, with
 * no page to copy and nobody else to wait for.  A few calls, one by one, for
 * the first ones find everything asleep; over a long link one, where it took as
 * long as HELLO did, and none when another call has.  Errors as tcp_control_call().
 */
int tcp_control_ping(struct tcp_control *control, uint64_t *ret_ns, char *why);

/* Take the stream out of @control, which ends: the caller's to close. */
struct stream tcp_control_steal(struct tcp_control *control);

/* NULL is allowed. */
void tcp_control_close(struct tcp_control *control);
