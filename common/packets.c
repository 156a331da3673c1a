/* SPDX-License-Identifier: MIT */
#include "common/packets.h"

#include <string.h>

const uint8_t *packets_next(const uint8_t *data, size_t len, size_t *at,
			    size_t *ret_bytes)
{
	const uint8_t *packet;
	uint16_t bytes;

	if (*at > len || len - *at < sizeof(bytes))
		return NULL;
	memcpy(&bytes, data + *at, sizeof(bytes));
	if (!bytes || len - *at - sizeof(bytes) < bytes)
		return NULL;
	packet = data + *at + sizeof(bytes);
	*at += sizeof(bytes) + bytes;
	*ret_bytes = bytes;
	return packet;
}

bool packets_ok(const uint8_t *data, size_t len)
{
	size_t at = 0, bytes;

	while (packets_next(data, len, &at, &bytes))
		;
	return at == len;
}

uint8_t *packets_head(uint8_t *at, size_t bytes)
{
	const uint16_t head = (uint16_t)bytes;

	memcpy(at, &head, sizeof(head));
	return at + sizeof(head);
}
