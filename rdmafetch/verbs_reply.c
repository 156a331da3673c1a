/* SPDX-License-Identifier: MIT */
/* verbs_reply.c - see verbs_reply.h */
#include "rdmafetch/verbs_reply.h"

#include <errno.h>
#include <string.h>

struct wire_header vreply_to(const struct wire_header *request)
{
	return (struct wire_header){
		.type = request->type,
		.flags = WIRE_REPLY,
		.id = request->id,
	};
}

uint8_t *vreply_body(struct verbs_conn *conn, uint32_t max_bytes)
{
	return vconn_message(conn, WIRE_HEADER_BYTES + max_bytes) +
	       WIRE_HEADER_BYTES;
}

void vreply_send(struct verbs_conn *conn, const struct wire_header *header)
{
	uint32_t bytes = WIRE_HEADER_BYTES + header->body_bytes;

	wire_put_header(vconn_message(conn, bytes), header);
	vconn_send(conn, bytes);
}

void vreply_words(struct verbs_conn *conn, const struct wire_header *header,
		  const char *why)
{
	struct wire_header reply = *header;

	reply.body_bytes = (uint32_t)strnlen(why, WIRE_WHY_MAX);
	memcpy(vreply_body(conn, reply.body_bytes), why, reply.body_bytes);
	vreply_send(conn, &reply);
}

void vreply_far(struct verbs_conn *conn, const struct verbs_loans *loans,
		const struct wire_header *header, const struct verbs_loan *loan)
{
	const struct wire_far far = verbs_loans_far(loans, loan);
	struct wire_header reply = *header;

	reply.flags |= WIRE_FAR;
	reply.body_bytes =
		(uint32_t)wire_put_far(vreply_body(conn, WIRE_FAR_BYTES), &far);
	vreply_send(conn, &reply);
}

static void copy_body(uint8_t *out, size_t len_bytes, const void *body,
		      const struct serve_tail *tail)
{
	size_t tail_bytes = tail ? tail->len_bytes : 0;

	if (len_bytes > tail_bytes)
		memcpy(out, body, len_bytes - tail_bytes);
	if (tail_bytes)
		memcpy(out + len_bytes - tail_bytes, tail->bytes, tail_bytes);
}

static void refuse(struct verbs_conn *conn, const struct wire_header *header,
		   int error)
{
	struct wire_header reply = *header;
	const char *why =
		"mitosisd cannot register memory for its reply: see "
		"ulimit -l of mitosisd";

	reply.status = error;
	if (error == -EAGAIN) {
		reply.status = -ENOBUFS;
		why = "too many replies wait to be fetched and TAKEN";
	}
	vreply_words(conn, &reply, why);
}

/* What another owns cannot be registered for this client without the client
 * seeing its neighbours too: the one copy is what that costs. */
void vreply_answer(struct verbs_conn *conn, struct verbs_loans *loans,
		   const struct wire_header *header, const void *body,
		   const struct serve_tail *tail)
{
	struct verbs_loan *loan;
	int error;

	if (header->body_bytes <= WIRE_REQUEST_MAX) {
		copy_body(vreply_body(conn, header->body_bytes),
			  header->body_bytes, body, tail);
		vreply_send(conn, header);
		return;
	}
	error = verbs_loans_lend(loans, header->id, header->body_bytes, &loan);
	if (error) {
		refuse(conn, header, error);
		return;
	}
	copy_body(loan->bytes, loan->len_bytes, body, tail);
	vreply_far(conn, loans, header, loan);
}
