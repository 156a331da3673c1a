/* SPDX-License-Identifier: MIT */
/*
 * verbs_pack.h - the messages of one SEND
 *
 *     [ header | body ][ header | body ] ...   at least one, to the last byte
 *
 * A SEND costs a device two packets, one of them the acknowledgement, whatever
 * it holds; so messages that are ready together go together.
 *
 * Above: all who receive over RDMA.  Pure; never reads past what it was given.
 */
#pragma once

#include <stdint.h>

#include "common/wire.h"

#define VPACK_MAX_BYTES (WIRE_HEADER_BYTES + WIRE_REQUEST_MAX)

/* What is left of a SEND; begin with all of it. */
struct vpack {
	const uint8_t *at;
	uint32_t left_bytes;
};

/*
 * Take the next message: its header, checked by wire_get_header(), and its
 * body of header->body_bytes within what @pack had.  There is more while
 * @pack->left_bytes is not 0.
 *
 * Returns 0, or -EPROTO: what is left does not begin with a whole message.
 */
int vpack_next(struct vpack *pack, struct wire_header *ret_header,
	       const uint8_t **ret_body);
