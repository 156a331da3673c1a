/* SPDX-License-Identifier: MIT */
/* verbs_pack.c - see verbs_pack.h */
#include "rdmafetch/verbs_pack.h"

#include <errno.h>

int vpack_next(struct vpack *pack, struct wire_header *ret_header,
	       const uint8_t **ret_body)
{
	struct wire_header header;
	uint32_t bytes;

	if (pack->left_bytes < WIRE_HEADER_BYTES ||
	    wire_get_header(pack->at, WIRE_REQUEST_MAX, &header))
		return -EPROTO;
	bytes = WIRE_HEADER_BYTES + header.body_bytes;
	if (bytes > pack->left_bytes)
		return -EPROTO;
	*ret_header = header;
	*ret_body = pack->at + WIRE_HEADER_BYTES;
	pack->at += bytes;
	pack->left_bytes -= bytes;
	return 0;
}
