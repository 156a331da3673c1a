/* SPDX-License-Identifier: MIT */
/*
 * verbs_talk.h - a question and its answer over a verbs link
 *
 * Above: verbs_control.c, which knows what is asked.  Blocks; one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"
#include "rdmafetch/verbs_link.h"

/* Zeroed but for link and timeout_ms at its beginning. */
struct verbs_talk {
	struct verbs_link *link; /* owned; NULL after a connection error */
	int timeout_ms;
	uint32_t last_id;
	uint64_t seq;	 /* of the next work request */
	unsigned nr_out; /* work requests not completed */
	int recv_at;	 /* a message came into this buffer, or -1 */
	uint32_t recv_bytes;
};

struct verbs_question {
	enum wire_type type;
	const void *body;
	size_t body_bytes;
};

/*
 * Ask and wait for the answer; nothing is under way afterwards.  *@ret_body,
 * when @ret_body is not NULL, is the caller's to free(), and NULL when the body
 * is empty.  Returns as tcp_control_call().
 */
int verbs_talk_ask(struct verbs_talk *talk,
		   const struct verbs_question *question, void **ret_body,
		   size_t *ret_body_bytes, char *why);

/* Close the link. */
void verbs_talk_end(struct verbs_talk *talk);
