/* SPDX-License-Identifier: MIT */
/*
 * tcp.h - pages from a mitosisd, over TCP or its unix socket, in TLS or not
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

/*
 * Open @image and make a transport of it.  Uses a connection of its own.
 *
 * Who opens an image for the second time must compare descriptors: a name may
 * stand for another process by now.
 *
 * Errors as tcp_control_open() and tcp_control_call(), with the daemon's words
 * in @why.
 */
int tcp_open(const struct tcp_address *address, const struct wire_image *image,
	     struct transport **ret, struct tcp_opened *ret_opened, char *why);

/* As tcp_open() on @control, which is consumed in any case. */
int tcp_open_on(struct tcp_control *control, const struct wire_image *image,
		struct transport **ret, struct tcp_opened *ret_opened,
		char *why);

/*
 * Make a transport of @stream, on which HELLO is done and the image @handle is
 * open.  On success the transport owns it.  0 or -ENOMEM.
 */
int tcp_adopt(struct stream stream, uint32_t handle, struct transport **ret);
