/* SPDX-License-Identifier: MIT */
/*
 * wire.h - the messages between mitosisd and everybody else
 *
 * One protocol over TCP, over the unix socket, and over a verbs connection,
 * where three messages more are possible (EXPORT, TAKEN, and replies that are
 * FAR). Each message is a 24 byte header and a body; a reply carries its
 * request's id, and replies may come in any order.  docs/protocol.md has the
 * byte tables.
 *
 *     client                                 mitosisd
 *       HELLO version, credential ----------->
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

#define WIRE_MAGIC	  0x5346544du /* "MTFS" */
#define WIRE_VERSION	  5u
#define WIRE_HEADER_BYTES 24u
#define WIRE_PORT	  7373
#define WIRE_REQUEST_MAX  4096u	       /* body of a request, bytes */
#define WIRE_REPLY_MAX	  (256u << 20) /* body of a reply: a descriptor */
#define WIRE_READ_MAX	  (1u << 20)   /* bytes of one READ */
#define WIRE_WHY_MAX	  255u	       /* a refusal's words, bytes */
#define WIRE_KEY_BYTES	  16u
#define WIRE_CRED_MAX	  2048u	 /* a credential, bytes */
#define WIRE_REGIONS_MAX  65536u /* of one EXPORT */
#define WIRE_REGION_BYTES 24u
#define WIRE_FAR_BYTES	  16u

enum wire_type {
	WIRE_HELLO = 1,
	WIRE_PREPARE,
	WIRE_OPEN,
	WIRE_READ,
	WIRE_RELEASE,
	WIRE_LIST,
	WIRE_STATUS,
	WIRE_RENEW,  /* extend the lease */
	WIRE_EXPORT, /* verbs: register the image's memory for READs */
	WIRE_TAKEN,  /* verbs: a FAR reply was read; has no reply */
	WIRE_NIL,    /* does nothing: any body, an empty reply */
	WIRE_RECORD, /* append to an image's working set: common/workset.h */
	WIRE_TRACE,  /* the working set of an image */
	WIRE_TYPES_END,
};

enum wire_flag {
	WIRE_REPLY = 1 << 0,
	WIRE_URGENT = 1 << 1, /* a READ that somebody waits for */
	/* Verbs: a reply's body says where the real body is to be fetched. */
	WIRE_FAR = 1 << 2,
};

struct wire_header {
	uint16_t type, flags;
	uint32_t id;	/* the client's choice, unique while under way */
	int32_t status; /* 0 or -errno; 0 in requests */
	uint32_t body_bytes;
};

/* Header to and from its 24 bytes: magic, type, flags, id, status, body, 0. */
void wire_put_header(uint8_t out[WIRE_HEADER_BYTES],
		     const struct wire_header *header);

/*
 * Returns 0, or -EPROTO: wrong magic, unknown type or flag, reserved word not
 * zero, FAR on what is no good reply, or a body over @body_max.  Over TCP a FAR
 * reply means nothing: its reader refuses it.
 */
int wire_get_header(const uint8_t in[WIRE_HEADER_BYTES], uint32_t body_max,
		    struct wire_header *ret_header);

/* How a client says who it is; common to all transports. */
enum wire_sec {
	WIRE_SEC_NONE, /* the kernel of the daemon's host must know */
	WIRE_SEC_MUNGE,
	WIRE_SEC_PSK, /* the connection is inside TLS, which knows */
};

struct wire_hello {
	uint32_t version, read_max_bytes;
	uint16_t rdma_port; /* the daemon's, of RDMA; 0: none.  Clients: 0 */
	uint16_t sec;	    /* enum wire_sec; may be one we do not know */
	uint32_t cred_bytes;
	uint8_t cred[WIRE_CRED_MAX];
};

struct wire_prepare {
	int32_t pid;
	uint32_t lease_s;	       /* 0: the daemon's default */
	char name[PARSE_NAME_MAX + 1]; /* "": the daemon chooses */
};

/* Reply to PREPARE; also names an image in OPEN, RELEASE and RENEW. */
struct wire_image {
	char name[PARSE_NAME_MAX + 1];
	/* Or zeros, or descid_of(): then the peer's identity must do. */
	uint8_t key[WIRE_KEY_BYTES];
};

/* The reply to OPEN is this (8 bytes) and then the descriptor. */
struct wire_opened {
	uint32_t handle, lease_s;
};

struct wire_read {
	uint32_t handle, object; /* enum source_object */
	uint64_t raddr;		 /* page aligned for memory */
	uint32_t len_bytes;	 /* 1 to WIRE_READ_MAX */
};

/* A piece of the image's memory that the peer's device serves: EXPORT's reply.
 */
struct wire_region {
	uint64_t raddr, len_bytes; /* whole pages */
	uint32_t rkey;
};

/* Where the body of a FAR reply is. */
struct wire_far {
	uint64_t raddr;
	uint32_t len_bytes; /* 1 to WIRE_REPLY_MAX */
	uint32_t rkey;
};

/*
 * Encode a body into @out, which has room for WIRE_REQUEST_MAX bytes; returns
 * the bytes used.  Decode returns 0, or -EPROTO when length or content is
 * wrong.
 */
size_t wire_put_hello(uint8_t *out, const struct wire_hello *body);
size_t wire_put_prepare(uint8_t *out, const struct wire_prepare *body);
int wire_get_prepare(const uint8_t *in, size_t len, struct wire_prepare *ret);
size_t wire_put_image(uint8_t *out, const struct wire_image *body);
int wire_get_image(const uint8_t *in, size_t len, struct wire_image *ret);
size_t wire_put_opened(uint8_t *out, const struct wire_opened *body);
int wire_get_opened(const uint8_t *in, size_t len, struct wire_opened *ret);
size_t wire_put_read(uint8_t *out, const struct wire_read *body);
int wire_get_read(const uint8_t *in, size_t len, struct wire_read *ret);
size_t wire_put_far(uint8_t *out, const struct wire_far *body);
int wire_get_far(const uint8_t *in, size_t len, struct wire_far *ret);

/*
 * As the other getters; of a version that is not ours only the version is
 * known: then -EPROTONOSUPPORT, and wire_hello_version() tells which.
 */
int wire_get_hello(const uint8_t *in, size_t len, struct wire_hello *ret);

/* The version that a HELLO of any version says; 0 when it is too short. */
uint32_t wire_hello_version(const uint8_t *in, size_t len);

/* The handle in an EXPORT request. */
size_t wire_put_export(uint8_t *out, uint32_t handle);
int wire_get_export(const uint8_t *in, size_t len, uint32_t *ret_handle);

/* The id of the request whose FAR reply was read: TAKEN. */
size_t wire_put_taken(uint8_t *out, uint32_t id);
int wire_get_taken(const uint8_t *in, size_t len, uint32_t *ret_id);

/* What EXPORT's reply with @nr regions takes. */
size_t wire_regions_bytes(size_t nr);

/*
 * Encode @nr regions, at most WIRE_REGIONS_MAX, into @out, which has room for
 * wire_regions_bytes(@nr).  They are sorted by address and do not overlap.
 */
void wire_put_regions(uint8_t *out, const struct wire_region *regions,
		      size_t nr);

/*
 * Decode what a peer claims to be EXPORT's reply; *@ret_regions (NULL when
 * there is none) is the caller's to free().  Returns 0, -EPROTO for a wrong
 * length, regions that are empty, not whole pages, past the end of the address
 * space, not sorted or overlapping; or -ENOMEM.
 */
int wire_get_regions(const uint8_t *in, size_t len,
		     struct wire_region **ret_regions, size_t *ret_nr);
