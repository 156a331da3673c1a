/* SPDX-License-Identifier: MIT */
/*
 * tcp.h - pages from a mitosisd, over TCP or its unix socket
 *
 * Requests are pipelined and answered in any order; a batch leaves in one
 * system call, and page data is received straight into the caller's buffers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/parse.h"
#include "common/wire.h"
#include "rdmafetch/transport.h"

/* A control connection: HELLO is done.  One thread at a time. */
struct tcp_control;

struct tcp_address {
	bool is_unix;
	char host[PARSE_HOST_MAX + 1]; /* name or address; path when is_unix */
	uint16_t port;
	int timeout_ms; /* of connecting, and of each control call */
};

/*
 * Connect and say HELLO.
 *
 * Returns 0, or -errno of getaddrinfo (-ENOENT: unknown host) or connect,
 * -ETIMEDOUT, -EPROTONOSUPPORT (another protocol version), -EPROTO.
 */
int tcp_control_open(const struct tcp_address *address,
		     struct tcp_control **ret);

/*
 * Ask and wait for the answer.  @why receives the daemon's words when it
 * refuses ("" otherwise); it has WIRE_WHY_MAX + 1 bytes and is never NULL.
 * *@ret_body, when not NULL, is the caller's to free.
 *
 * Returns 0, the refusal's -errno, or the connection's.
 */
int tcp_control_call(struct tcp_control *control, enum wire_type type,
		     const void *body, size_t body_bytes, void **ret_body,
		     size_t *ret_body_bytes, char *why);

void tcp_control_close(struct tcp_control *control);

/* What comes with an opened image. */
struct tcp_opened {
	void *desc; /* the encoded descriptor, the caller's to free() */
	size_t desc_bytes;
	uint32_t lease_s; /* renew (WIRE_RENEW) before this ends */
};

/*
 * Open @image and make a transport of it.  Uses a connection of its own.
 *
 * Errors as tcp_control_open() and tcp_control_call(), with the daemon's words
 * in @why.
 */
int tcp_open(const struct tcp_address *address, const struct wire_image *image,
	     struct transport **ret, struct tcp_opened *ret_opened, char *why);
