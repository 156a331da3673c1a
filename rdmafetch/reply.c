/* SPDX-License-Identifier: MIT */
/* reply.c - see reply.h */
#include "rdmafetch/reply.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "rdmafetch/tcp_control.h"

int reply_check(const struct wire_header *header, enum wire_type type,
		uint32_t id)
{
	if (header->type != type || !(header->flags & WIRE_REPLY) ||
	    header->id != id)
		return -EPROTO;
	if (header->status && header->body_bytes > WIRE_WHY_MAX)
		return -EPROTO;
	return 0;
}

int reply_get_hello(const void *body, size_t body_bytes,
		    struct wire_hello *ret_hello)
{
	struct wire_hello hello;
	int err = wire_get_hello(body, body_bytes, &hello);

	if (err)
		return err;
	if (hello.read_max_bytes < WIRE_READ_MAX)
		return -EPROTO;
	*ret_hello = hello;
	return 0;
}

int reply_take_opened(void **body, size_t body_bytes, uint32_t *ret_handle,
		      struct tcp_opened *ret_opened)
{
	uint8_t bytes[WIRE_REQUEST_MAX];
	struct wire_opened opened;
	size_t head;
	int err = wire_get_opened(*body, body_bytes, &opened);

	if (err)
		return err;
	head = wire_put_opened(bytes, &opened);
	if (body_bytes <= head)
		return -EPROTO;
	memmove(*body, (char *)*body + head, body_bytes - head);
	*ret_handle = opened.handle;
	ret_opened->desc = steal_ptr(body);
	ret_opened->desc_bytes = body_bytes - head;
	ret_opened->lease_s = opened.lease_s;
	return 0;
}
