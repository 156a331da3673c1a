/* SPDX-License-Identifier: MIT */
/*
 * dgram_call.h - one question at a time to a mitosisd, by datagrams
 *
 * A question goes out again until its answer is here, at growing intervals; the
 * far end makes each call once, however often it hears it. An answer that is
 * longer than a datagram comes in pieces, which are asked for.
 *
 *     ask ----- PACK ----->  lost
 *         ----- PACK ----->
 *         <---- PIECE -----  0, 1, 2 ... 7
 *         ----- PULL ----->  8 to 39
 *         <---- PIECE -----  ...
 *
 * Above: programs, and verbs_ud_dial.c, which has a link.
 * Threads: one at a time.  Calls block.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"
#include "rdmafetch/dgram.h"
#include "rdmafetch/sec.h"

/* A link to one far end. */
struct dgram_link {
	uint32_t max_bytes; /* DGRAM_MIN_BYTES to DGRAM_MAX_BYTES */
	/* 0 or -errno when the link is broken; what is lost is no error. */
	int (*send)(struct dgram_link *link, const void *bytes, size_t len);
	/*
	 * Wait for a datagram, @timeout_ms at most; *@ret_bytes stays the
	 * link's until the next call.  Its length, 0 when none came, or -errno.
	 */
	int (*recv)(struct dgram_link *link, int timeout_ms,
		    const uint8_t **ret_bytes);
	void (*close)(struct dgram_link *link); /* and free */
};

struct dgram_call {
	struct dgram_link *link; /* owned */
	uint64_t token;		 /* 0: HELLO is not done */
	uint32_t max_bytes;	 /* of a datagram: the link's, or less */
	uint32_t last_id;
	int timeout_ms; /* of each call */
};

/* Who says HELLO, to whom. */
struct dgram_greeting {
	const struct sec_settings *sec;
	const struct sec_way *way; /* whom a credential is for */
	int timeout_ms;		   /* of HELLO and of each call */
};

/*
 * Say HELLO over @link, which is *@ret_call's from here on.  @why has
 * WIRE_WHY_MAX + 1 bytes.
 *
 * Returns 0, or, and the link is closed then,
 *   -ETIMEDOUT        nobody answers
 *   -EMSGSIZE         the credential does not fit in a datagram
 *   -EPROTONOSUPPORT  the daemon speaks another version
 *   -EPROTO           what answers is no mitosisd
 *   or -errno of sec_make_credential(), of the link, or the daemon's refusal.
 */
int dgram_hello(struct dgram_link *link, const struct dgram_greeting *greeting,
		struct dgram_call *ret_call, char *why);

/* A question, as in tcp_control_call(), and the body of its answer. */
struct dgram_question {
	enum wire_type type;
	const void *body;
	size_t body_bytes;
};

struct dgram_reply {
	void *body; /* the caller's to free() */
	size_t body_bytes;
};

/*
 * Ask; *@ret (NULL: nobody wants it) is set on success.  Returns 0, or
 *   -EMSGSIZE    the question is longer than a datagram
 *   -ETIMEDOUT   no answer in time; whether the call was made is not known
 *   -ECONNRESET  the far end does not know us any more: HELLO again
 *   -ENOMEM, -EPROTO, -errno of the link, or, with words, the daemon's.
 */
int dgram_ask(struct dgram_call *call, const struct dgram_question *question,
	      struct dgram_reply *ret, char *why);

/* Tell the far end and close the link.  A zeroed call is allowed. */
void dgram_bye(struct dgram_call *call);
