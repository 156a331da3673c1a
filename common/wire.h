/* SPDX-License-Identifier: MIT */
/*
 * wire.h - the messages between mitosisd and everybody else
 *
 * One protocol over TCP and over the unix socket.  Each message is a 24 byte
 * header and a body; a reply carries its request's id, and replies may come in
 * any order.  docs/protocol.md has the byte tables.
 *
 *     client                                 mitosisd
 *       HELLO version ----------------------->
 *       <------------------------------- HELLO version, limits
 *       PREPARE pid, name, lease ------------>   (takes a snapshot)
 *       <----------------------------- PREPARE image name, key
 *       OPEN name, key ---------------------->
 *       <--------------------------- OPEN handle, descriptor
 *       READ handle, object, raddr, len ----->   (as many as one likes)
 *       <------------------------------------ READ bytes
 *       RELEASE name, key ------------------->
 *       <------------------------------------ RELEASE
 *
 * A failed request is answered by its own type with a negative errno in status
 * and one line of plain words as the body.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/parse.h"

#define WIRE_MAGIC        0x5346544du /* "MTFS" */
#define WIRE_VERSION      1u
#define WIRE_HEADER_BYTES 24u
#define WIRE_PORT         7373
#define WIRE_REQUEST_MAX  4096u       /* body of a request, bytes */
#define WIRE_REPLY_MAX    (256u << 20) /* body of a reply: a descriptor */
#define WIRE_READ_MAX     (1u << 20)  /* bytes of one READ */
#define WIRE_WHY_MAX      255u        /* a refusal's words, bytes */
#define WIRE_KEY_BYTES    16u

enum wire_type {
	WIRE_HELLO = 1,
	WIRE_PREPARE,
	WIRE_OPEN,
	WIRE_READ,
	WIRE_RELEASE,
	WIRE_LIST,
	WIRE_STATUS,
	WIRE_RENEW, /* extend the lease */
	WIRE_TYPES_END,
};

enum wire_flag {
	WIRE_REPLY = 1 << 0,
	WIRE_URGENT = 1 << 1, /* a READ that somebody waits for */
};

struct wire_header {
	uint16_t type, flags;
	uint32_t id;         /* the client's choice, unique while under way */
	int32_t status;      /* 0 or -errno; 0 in requests */
	uint32_t body_bytes;
};

/* Header to and from its 24 bytes: magic, type, flags, id, status, body, 0. */
void wire_put_header(uint8_t out[WIRE_HEADER_BYTES],
		     const struct wire_header *header);

/*
 * Returns 0, or -EPROTO: wrong magic, unknown type, reserved word not zero, or
 * a body over @body_max.
 */
int wire_get_header(const uint8_t in[WIRE_HEADER_BYTES], uint32_t body_max,
		    struct wire_header *ret_header);

struct wire_hello {
	uint32_t version, read_max_bytes;
};

struct wire_prepare {
	int32_t pid;
	uint32_t lease_s;              /* 0: the daemon's default */
	char name[PARSE_NAME_MAX + 1]; /* "": the daemon chooses */
};

/* Reply to PREPARE; also names an image in OPEN, RELEASE and RENEW. */
struct wire_image {
	char name[PARSE_NAME_MAX + 1];
	uint8_t key[WIRE_KEY_BYTES]; /* zeros: the peer's identity must do */
};

/* The reply to OPEN is this (8 bytes) and then the descriptor. */
struct wire_opened {
	uint32_t handle, lease_s;
};

struct wire_read {
	uint32_t handle, object; /* enum source_object */
	uint64_t raddr;          /* page aligned for memory */
	uint32_t len_bytes;      /* 1 to WIRE_READ_MAX */
};

/*
 * Encode a body into @out, which has room for WIRE_REQUEST_MAX bytes; returns
 * the bytes used.  Decode returns 0, or -EPROTO when length or content is wrong.
 */
size_t wire_put_hello(uint8_t *out, const struct wire_hello *body);
int wire_get_hello(const uint8_t *in, size_t len, struct wire_hello *ret);
size_t wire_put_prepare(uint8_t *out, const struct wire_prepare *body);
int wire_get_prepare(const uint8_t *in, size_t len, struct wire_prepare *ret);
size_t wire_put_image(uint8_t *out, const struct wire_image *body);
int wire_get_image(const uint8_t *in, size_t len, struct wire_image *ret);
size_t wire_put_opened(uint8_t *out, const struct wire_opened *body);
int wire_get_opened(const uint8_t *in, size_t len, struct wire_opened *ret);
size_t wire_put_read(uint8_t *out, const struct wire_read *body);
int wire_get_read(const uint8_t *in, size_t len, struct wire_read *ret);
