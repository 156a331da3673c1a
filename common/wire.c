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
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "common/source.h"

#define ERRNO_MAX 4095 /* the kernel's MAX_ERRNO */

#define HELLO_BYTES   16u /* and the credential */
#define PREPARE_BYTES (8u + PARSE_NAME_MAX)
#define IMAGE_BYTES   (PARSE_NAME_MAX + WIRE_KEY_BYTES)
#define OPENED_BYTES  8u
#define READ_BYTES    24u
#define EXPORT_BYTES  8u
#define TAKEN_BYTES   4u
#define REGIONS_HEAD  8u

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

/* FAR: there is a body, elsewhere. */
static bool flags_ok(const struct wire_header *header)
{
	if (header->flags & ~(WIRE_REPLY | WIRE_URGENT | WIRE_FAR))
		return false;
	if (!(header->flags & WIRE_FAR))
		return true;
	return header->flags & WIRE_REPLY && !header->status &&
	       header->body_bytes == WIRE_FAR_BYTES;
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
	if (!flags_ok(&header) || !status_ok(&header))
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
	put_u16(out + 8, body->rdma_port);
	put_u16(out + 10, body->sec);
	put_u32(out + 12, body->cred_bytes);
	memcpy(out + HELLO_BYTES, body->cred, body->cred_bytes);
	return HELLO_BYTES + body->cred_bytes;
}

uint32_t wire_hello_version(const uint8_t *in, size_t len)
{
	return len < 4 ? 0 : get_u32(in);
}

int wire_get_hello(const uint8_t *in, size_t len, struct wire_hello *ret)
{
	uint32_t version = wire_hello_version(in, len), cred_bytes;
	uint16_t sec;

	if (version && version != WIRE_VERSION)
		return -EPROTONOSUPPORT;
	if (len < HELLO_BYTES)
		return -EPROTO;
	sec = get_u16(in + 10);
	cred_bytes = get_u32(in + 12);
	if (cred_bytes > WIRE_CRED_MAX || len - HELLO_BYTES != cred_bytes ||
	    (cred_bytes && sec == WIRE_SEC_NONE) || !version)
		return -EPROTO;
	ret->version = version;
	ret->read_max_bytes = get_u32(in + 4);
	ret->rdma_port = get_u16(in + 8);
	ret->sec = sec;
	ret->cred_bytes = cred_bytes;
	memcpy(ret->cred, in + HELLO_BYTES, cred_bytes);
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
	return source_is_file(body->object);
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

size_t wire_put_export(uint8_t *out, uint32_t handle)
{
	put_u32(out, handle);
	put_u32(out + 4, 0);
	return EXPORT_BYTES;
}

int wire_get_export(const uint8_t *in, size_t len, uint32_t *ret_handle)
{
	if (len != EXPORT_BYTES || get_u32(in + 4))
		return -EPROTO;
	*ret_handle = get_u32(in);
	return 0;
}

size_t wire_put_taken(uint8_t *out, uint32_t id)
{
	put_u32(out, id);
	return TAKEN_BYTES;
}

int wire_get_taken(const uint8_t *in, size_t len, uint32_t *ret_id)
{
	if (len != TAKEN_BYTES)
		return -EPROTO;
	*ret_id = get_u32(in);
	return 0;
}

size_t wire_put_far(uint8_t *out, const struct wire_far *body)
{
	put_u64(out, body->raddr);
	put_u32(out + 8, body->len_bytes);
	put_u32(out + 12, body->rkey);
	return WIRE_FAR_BYTES;
}

int wire_get_far(const uint8_t *in, size_t len, struct wire_far *ret)
{
	struct wire_far body;
	uint64_t end;

	if (len != WIRE_FAR_BYTES)
		return -EPROTO;
	body.raddr = get_u64(in);
	body.len_bytes = get_u32(in + 8);
	body.rkey = get_u32(in + 12);
	if (!body.len_bytes || body.len_bytes > WIRE_REPLY_MAX ||
	    __builtin_add_overflow(body.raddr, body.len_bytes, &end))
		return -EPROTO;
	*ret = body;
	return 0;
}

size_t wire_regions_bytes(size_t nr)
{
	return REGIONS_HEAD + nr * WIRE_REGION_BYTES;
}

void wire_put_regions(uint8_t *out, const struct wire_region *regions,
		      size_t nr)
{
	put_u32(out, (uint32_t)nr);
	put_u32(out + 4, WIRE_REGION_BYTES);
	out += REGIONS_HEAD;
	for (size_t i = 0; i < nr; i++, out += WIRE_REGION_BYTES) {
		put_u64(out, regions[i].raddr);
		put_u64(out + 8, regions[i].len_bytes);
		put_u32(out + 16, regions[i].rkey);
		put_u32(out + 20, 0);
	}
}

/* One record; it begins at *@end or later, where the last one ended. */
static int get_region(const uint8_t *in, uint64_t *end, struct wire_region *ret)
{
	struct wire_region region = {
		.raddr = get_u64(in),
		.len_bytes = get_u64(in + 8),
		.rkey = get_u32(in + 16),
	};

	if (get_u32(in + 20) || !region.len_bytes || region.raddr < *end)
		return -EPROTO;
	if (region.raddr % PAGE_BYTES || region.len_bytes % PAGE_BYTES)
		return -EPROTO;
	if (__builtin_add_overflow(region.raddr, region.len_bytes, end))
		return -EPROTO;
	*ret = region;
	return 0;
}

int wire_get_regions(const uint8_t *in, size_t len,
		     struct wire_region **ret_regions, size_t *ret_nr)
{
	CLEANUP_FREE struct wire_region *regions = NULL;
	uint64_t end = 0;
	uint32_t nr;

	if (len < REGIONS_HEAD || get_u32(in + 4) != WIRE_REGION_BYTES)
		return -EPROTO;
	nr = get_u32(in);
	if (nr > WIRE_REGIONS_MAX || len != wire_regions_bytes(nr))
		return -EPROTO;
	if (nr) {
		regions = calloc(nr, sizeof(*regions));
		if (!regions)
			return -ENOMEM;
	}
	in += REGIONS_HEAD;
	for (uint32_t i = 0; i < nr; i++, in += WIRE_REGION_BYTES)
		if (get_region(in, &end, &regions[i]))
			return -EPROTO;
	*ret_regions = steal_ptr(&regions);
	*ret_nr = nr;
	return 0;
}
