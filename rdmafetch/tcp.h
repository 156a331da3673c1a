/* SPDX-License-Identifier: MIT */
/*
 * tcp.h - pages from a mitosisd, over TCP or its unix socket
 *
 * Requests are pipelined and answered in any order; a batch leaves in one
 * system call, and page data is received straight into the caller's buffers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"
#include "rdmafetch/tcp_control.h"
#include "rdmafetch/transport.h"

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
