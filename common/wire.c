/* SPDX-License-Identifier: MIT */
/*
 * wire.c - messages to and from bytes, little-endian, written out
 *
 * No struct is copied to the wire.  A getter looks at everything before it
 * returns anything; docs/protocol.md has the offsets used here.
 */
#include "common/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/page.h"
#include "common/source.h"

#define ERRNO_MAX 4095 /* the kernel's MAX_ERRNO */

#define HELLO_BYTES   8u
#define PREPARE_BYTES (8u + PARSE_NAME_MAX)
#define IMAGE_BYTES   (PARSE_NAME_MAX + WIRE_KEY_BYTES)
#define OPENED_BYTES  8u
#define READ_BYTES    24u

static void put_u16(uint8_t *out, uint16_t value)
{
	out[0] = (uint8_t)value;
	out[1] = (uint8_t)(value >> 8);
}

static void put_u32(uint8_t *out, uint32_t value)
{
	put_u16(out, (uint16_t)value);
	put_u16(out + 2, (uint16_t)(value >> 16));
}

static void put_u64(uint8_t *out, uint64_t value)
{
	put_u32(out, (uint32_t)value);
	put_u32(out + 4, (uint32_t)(value >> 32));
}

static uint16_t get_u16(const uint8_t *in)
{
	return (uint16_t)(in[0] | in[1] << 8);
}

static uint32_t get_u32(const uint8_t *in)
{
	return get_u16(in) | (uint32_t)get_u16(in + 2) << 16;
}

static uint64_t get_u64(const uint8_t *in)
{
	return get_u32(in) | (uint64_t)get_u32(in + 4) << 32;
}

/* PARSE_NAME_MAX bytes, filled up with zeros. */
static void put_name(uint8_t *out, const char *name)
{
	size_t len = strnlen(name, PARSE_NAME_MAX);

	memset(out, 0, PARSE_NAME_MAX);
	memcpy(out, name, len);
}

/* "" or a legal name; the bytes behind its end must be zero. */
static int get_name(const uint8_t *in, char ret[PARSE_NAME_MAX + 1])
{
	size_t len;

	memcpy(ret, in, PARSE_NAME_MAX);
	ret[PARSE_NAME_MAX] = '\0';
	len = strlen(ret);
	for (size_t i = len; i < PARSE_NAME_MAX; i++)
		if (in[i])
			return -EPROTO;
	return !len || parse_name_ok(ret) ? 0 : -EPROTO;
}

void wire_put_header(uint8_t out[WIRE_HEADER_BYTES],
		     const struct wire_header *header)
{
	put_u32(out, WIRE_MAGIC);
	put_u16(out + 4, header->type);
	put_u16(out + 6, header->flags);
	put_u32(out + 8, header->id);
	put_u32(out + 12, (uint32_t)header->status);
	put_u32(out + 16, header->body_bytes);
	put_u32(out + 20, 0);
}

static bool status_ok(const struct wire_header *header)
{
	if (!(header->flags & WIRE_REPLY))
		return !header->status;
	return header->status <= 0 && header->status >= -ERRNO_MAX;
}

int wire_get_header(const uint8_t in[WIRE_HEADER_BYTES], uint32_t body_max,
		    struct wire_header *ret_header)
{
	struct wire_header header = {
		.type = get_u16(in + 4),
		.flags = get_u16(in + 6),
		.id = get_u32(in + 8),
		.status = (int32_t)get_u32(in + 12),
		.body_bytes = get_u32(in + 16),
	};

	if (get_u32(in) != WIRE_MAGIC || get_u32(in + 20))
		return -EPROTO;
	if (header.type < WIRE_HELLO || header.type >= WIRE_TYPES_END)
		return -EPROTO;
	if (header.flags & ~(WIRE_REPLY | WIRE_URGENT) || !status_ok(&header))
		return -EPROTO;
	if (header.body_bytes > body_max)
		return -EPROTO;
	*ret_header = header;
	return 0;
}

size_t wire_put_hello(uint8_t *out, const struct wire_hello *body)
{
	put_u32(out, body->version);
	put_u32(out + 4, body->read_max_bytes);
	return HELLO_BYTES;
}

int wire_get_hello(const uint8_t *in, size_t len, struct wire_hello *ret)
{
	if (len != HELLO_BYTES)
		return -EPROTO;
	ret->version = get_u32(in);
	ret->read_max_bytes = get_u32(in + 4);
	return 0;
}

size_t wire_put_prepare(uint8_t *out, const struct wire_prepare *body)
{
	put_u32(out, (uint32_t)body->pid);
	put_u32(out + 4, body->lease_s);
	put_name(out + 8, body->name);
	return PREPARE_BYTES;
}

int wire_get_prepare(const uint8_t *in, size_t len, struct wire_prepare *ret)
{
	struct wire_prepare body;

	if (len != PREPARE_BYTES)
		return -EPROTO;
	body.pid = (int32_t)get_u32(in);
	body.lease_s = get_u32(in + 4);
	if (body.pid < 1 || get_name(in + 8, body.name))
		return -EPROTO;
	*ret = body;
	return 0;
}

size_t wire_put_image(uint8_t *out, const struct wire_image *body)
{
	put_name(out, body->name);
	memcpy(out + PARSE_NAME_MAX, body->key, WIRE_KEY_BYTES);
	return IMAGE_BYTES;
}

int wire_get_image(const uint8_t *in, size_t len, struct wire_image *ret)
{
	struct wire_image body;

	if (len != IMAGE_BYTES || get_name(in, body.name) || !body.name[0])
		return -EPROTO;
	memcpy(body.key, in + PARSE_NAME_MAX, WIRE_KEY_BYTES);
	*ret = body;
	return 0;
}

size_t wire_put_opened(uint8_t *out, const struct wire_opened *body)
{
	put_u32(out, body->handle);
	put_u32(out + 4, body->lease_s);
	return OPENED_BYTES;
}

int wire_get_opened(const uint8_t *in, size_t len, struct wire_opened *ret)
{
	if (len < OPENED_BYTES)
		return -EPROTO;
	ret->handle = get_u32(in);
	ret->lease_s = get_u32(in + 4);
	return 0;
}

size_t wire_put_read(uint8_t *out, const struct wire_read *body)
{
	put_u32(out, body->handle);
	put_u32(out + 4, body->object);
	put_u64(out + 8, body->raddr);
	put_u32(out + 16, body->len_bytes);
	put_u32(out + 20, 0);
	return READ_BYTES;
}

static bool read_ok(const struct wire_read *body)
{
	uint64_t end;

	if (!body->len_bytes || body->len_bytes > WIRE_READ_MAX)
		return false;
	if (__builtin_add_overflow(body->raddr, body->len_bytes, &end))
		return false;
	if (body->object == SOURCE_MEMORY)
		return !(body->raddr % PAGE_BYTES) &&
		       !(body->len_bytes % PAGE_BYTES);
	return body->object == SOURCE_EXE;
}

int wire_get_read(const uint8_t *in, size_t len, struct wire_read *ret)
{
	struct wire_read body;

	if (len != READ_BYTES || get_u32(in + 20))
		return -EPROTO;
	body.handle = get_u32(in);
	body.object = get_u32(in + 4);
	body.raddr = get_u64(in + 8);
	body.len_bytes = get_u32(in + 16);
	if (!read_ok(&body))
		return -EPROTO;
	*ret = body;
	return 0;
}
