/* SPDX-License-Identifier: MIT */
/*
 * verbs_reply.h - replies of the verbs server, in their message or FAR
 *
 * Each call sends one message: there must be room for it (vconn_room()).
 *
 * Above: verbs_client.c.  Threads: the thread of the loop.
 */
#pragma once

#include "rdmafetch/verbs_conn.h"
#include "rdmafetch/verbs_loans.h"

/* The head of a good reply without a body. */
struct wire_header vreply_to(const struct wire_header *request);

/* Where to write the body, of at most @max_bytes, WIRE_REQUEST_MAX at most, of
 * what vreply_send() then sends. */
uint8_t *vreply_body(struct verbs_conn *conn, uint32_t max_bytes);
void vreply_send(struct verbs_conn *conn, const struct wire_header *header);

/* Words as the body. */
void vreply_words(struct verbs_conn *conn, const struct wire_header *header,
		  const char *why);

/* The client finds the body at @loan. */
void vreply_far(struct verbs_conn *conn, const struct verbs_loans *loans,
		const struct wire_header *header,
		const struct verbs_loan *loan);

/*
 * The body is @body and then @tail (NULL: none), header->body_bytes in all:
 * copied, into the message or a loan.  Without memory the reply is a refusal.
 */
void vreply_answer(struct verbs_conn *conn, struct verbs_loans *loans,
		   const struct wire_header *header, const void *body,
		   const struct serve_tail *tail);
