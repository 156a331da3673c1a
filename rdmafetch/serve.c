/* SPDX-License-Identifier: MIT */
/* serve.c - see serve.h */
#include "rdmafetch/serve.h"

#include <errno.h>

const struct serve_options serve_defaults = {
	.clients_max = 256,
	.strangers_max = 64,
	.hello_ms = 5000,
	.stall_ms = 60000,
};

int serve_answer(const struct serve_ticket *ticket, const void *body,
		 size_t body_bytes)
{
	return ticket->server->ops->answer(ticket->server, ticket, body,
					   body_bytes, NULL);
}

int serve_answer_tail(const struct serve_ticket *ticket, const void *body,
		      size_t body_bytes, const struct serve_tail *tail)
{
	return ticket->server->ops->answer(ticket->server, ticket, body,
					   body_bytes, tail);
}

int serve_refuse(const struct serve_ticket *ticket, int error, const char *why)
{
	return ticket->server->ops->refuse(ticket->server, ticket, error, why);
}

const struct serve_verbs *serve_verbs_get(const struct serve_ticket *ticket)
{
	const struct server_ops *ops = ticket->server->ops;

	return ops->verbs_get ? ops->verbs_get(ticket->server, ticket) : NULL;
}

void serve_verbs_put(struct server *server, const struct serve_verbs *verbs)
{
	server->ops->verbs_put(server, verbs);
}

struct wire_header serve_reply_to(const struct serve_ticket *ticket,
				  size_t body_bytes, int status)
{
	return (struct wire_header){
		.type = ticket->type,
		.flags = WIRE_REPLY,
		.id = ticket->id,
		.status = status,
		.body_bytes = (uint32_t)body_bytes,
	};
}

int serve_read(const struct serve_ops *ops, void *session,
	       const struct wire_read *read, uint8_t *buf)
{
	struct page_source *source;
	int error;

	error = ops->source(session, read->handle, &source);
	if (error)
		return error;
	return source->read(source, read->object, read->raddr, buf,
			    read->len_bytes);
}

const char *serve_read_words(int error)
{
	switch (error) {
	case -EBADF:
		return "this connection has no such handle: OPEN first";
	case -ESTALE:
		return "the image is gone: released, or its lease has ended";
	case -EINVAL:
		return "no such object, or a range past the last address";
	default:
		return "the parent's kernel refused the page";
	}
}

int serve_options_check(const struct serve_options *options)
{
	if (!options->clients_max ||
	    options->clients_max > SERVE_CLIENTS_LIMIT ||
	    !options->strangers_max ||
	    options->strangers_max > SERVE_CLIENTS_LIMIT)
		return -EINVAL;
	return 0;
}
