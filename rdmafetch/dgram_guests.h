/* SPDX-License-Identifier: MIT */
/*
 * dgram_guests.h - serving clients that have no connection
 *
 * One table for all who come by datagrams, whatever link brings them. A guest
 * is who has said HELLO with a cookie and was let in; its token is worth
 * something only together with the address that it was given to.
 *
 *     datagram -> dgram_guests_take() --+-- HELLO    a cookie, then a guest
 *                                       +-- NIL      answered at once
 *                                       +-- others   the handler, by ticket
 *                                       +-- PULL     pieces of the last answer
 *
 * Each guest has one call under way besides NIL, and its answer is kept until
 * the next: so a call that is sent again is not made again. There are no READs
 * here and nothing is exported: no guest sees an rkey.
 *
 * Above: verbs_ud_serve.c, a server (serve.h).  Below: serve.h's handler.
 * Threads: the thread of the loop.
 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "rdmafetch/dgram.h"
#include "rdmafetch/serve.h"

/* Who has been silent for so long is not a guest any more. */
#define DGRAM_SILENT_NS 300000000000ull

/* Where a datagram comes from, and an answer goes. */
struct dgram_peer {
	uint8_t gid[16];    /* an IP address; IPv4 as ::ffff:a.b.c.d */
	uint8_t here[16];   /* our address that it asks, likewise */
	uint32_t qpn;	    /* queue pair number */
	uint32_t max_bytes; /* the longest both links take, once known */
};

/* The sending half of a link. */
struct dgram_out {
	uint32_t max_bytes; /* DGRAM_MIN_BYTES to DGRAM_MAX_BYTES */
	/*
	 * Where the next datagram to @peer is to be written, max_bytes of
	 * room; NULL: the link is full, and the datagram lost.  The next call
	 * is send() with its length.
	 */
	uint8_t *(*begin)(struct dgram_out *out, const struct dgram_peer *peer);
	void (*send)(struct dgram_out *out, size_t len);
};

/* A datagram that came. */
struct dgram_came {
	struct dgram_out *out; /* the way back; outlives the guests */
	struct dgram_peer peer;
	const struct sockaddr_storage *here, *there; /* as in serve_origin */
	const uint8_t *bytes;
	size_t len_bytes;
	uint64_t now_ns; /* CLOCK_MONOTONIC */
};

struct dgram_guests;

/* For @server's options, whose clients the guests are.  0 or -ENOMEM. */
int dgram_guests_open(struct server *server, struct dgram_guests **ret);

/* Serve one datagram.  What is not right is dropped without a word. */
void dgram_guests_take(struct dgram_guests *guests,
		       const struct dgram_came *came);

struct dgram_answer {
	int status;	  /* 0 or -errno */
	const void *body; /* copied */
	size_t body_bytes;
	const struct serve_tail *tail; /* behind it; NULL: none */
};

/*
 * Answer the call of @ticket, as server_ops.answer: tail->done() is called in
 * any case, when the answer is kept no longer.  0, -ENOTCONN: the guest has
 * left, or -ENOMEM.
 */
int dgram_guests_answer(struct dgram_guests *guests,
			const struct serve_ticket *ticket,
			const struct dgram_answer *answer);

/* Let go of who was silent too long, at @now_ns. */
void dgram_guests_expire(struct dgram_guests *guests, uint64_t now_ns);

/* All that came by @out leave: it is gone. */
void dgram_guests_drop(struct dgram_guests *guests,
		       const struct dgram_out *out);

/* All leave.  NULL is allowed. */
void dgram_guests_close(struct dgram_guests *guests);
