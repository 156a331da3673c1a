/* SPDX-License-Identifier: MIT */
/*
 * reply.h - what an answer of mitosisd must be, however it came
 *
 * Above: tcp_control.c, verbs_talk.c and dgram_call.c, which carry questions and
 * answers.
 * Nothing here blocks or keeps anything.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

struct tcp_opened;

/*
 * Whether @header answers the request @id of type @type, with no more words
 * than a refusal may have.  0 or -EPROTO.
 */
int reply_check(const struct wire_header *header, enum wire_type type,
		uint32_t id);

/*
 * The body of a good answer to HELLO.  0, or -EPROTO and -EPROTONOSUPPORT as
 * wire_get_hello(); -EPROTO too when the daemon reads less than WIRE_READ_MAX.
 */
int reply_get_hello(const void *body, size_t body_bytes,
		    struct wire_hello *ret_hello);

/*
 * The body of a good answer to OPEN: *@body, on the heap, becomes the
 * descriptor of *@ret_opened, and NULL.  0 or -EPROTO.
 */
int reply_take_opened(void **body, size_t body_bytes, uint32_t *ret_handle,
		      struct tcp_opened *ret_opened);
