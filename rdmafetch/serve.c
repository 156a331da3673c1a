/* SPDX-License-Identifier: MIT */
/* serve.c - see serve.h */
#include "rdmafetch/serve.h"

#include <errno.h>
#include <stdio.h>

#include "common/trace.h"

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

static void count_refusal(const struct serve_ticket *ticket, int error)
{
	struct refused *refused = &ticket->server->stats.refused;

	switch (ticket->type) {
	case WIRE_PREPARE:
		refused_count(refused, REFUSED_PREPARE, error);
		break;
	case WIRE_OPEN:
	case WIRE_EXPORT:
	case WIRE_RELEASE:
	case WIRE_RENEW:
	case WIRE_RECORD:
	case WIRE_TRACE:
		refused_count(refused, REFUSED_IMAGE, error);
		break;
	default: /* nothing that anybody is refused */
		break;
	}
}

int serve_refuse(const struct serve_ticket *ticket, int error, const char *why)
{
	count_refusal(ticket, error);
	return ticket->server->ops->refuse(ticket->server, ticket, error, why);
}

const struct serve_verbs *serve_verbs_get(const struct serve_ticket *ticket)
{
	const struct server_ops *ops = ticket->server->ops;

	return ops->verbs_get ? ops->verbs_get(ticket->server, ticket) : NULL;
}

void serve_verbs_put(const struct serve_verbs *verbs)
{
	if (verbs)
		verbs->put(verbs);
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
	if (!error)
		error = source->read(source, read->object, read->raddr, buf,
				     read->len_bytes);
	TRACE(serve__read, read->object, read->raddr, read->len_bytes, error);
	return error;
}

const char *serve_read_words(int error)
{
	switch (error) {
	case -EBADF:
		return "this connection has no such handle: OPEN first";
	case -ESTALE:
		return "the image is gone: released, or its lease has ended";
	case -EACCES:
		return "the user of the image may not read this file";
	case -EREMCHG:
		return "the file was changed after the image was taken";
	case -EINVAL:
		return "no such object, or a range past the last address";
	default:
		return "the parent's kernel refused the page";
	}
}

void serve_turned_away(struct server *server, int fd, int error,
		       const char *why)
{
	server->stats.turned_away++;
	refused_count(&server->stats.refused, REFUSED_HELLO, error);
	if (server->handler->turned_away)
		server->handler->turned_away(server->handler_arg, fd, why);
}

/* The handler has its own words. */
static int refuse_hello(struct server *server,
			const struct serve_greeting *greeting, int error,
			char *why)
{
	uint32_t version =
		wire_hello_version(greeting->body, greeting->body_bytes);

	if (!why[0] && error == -EPROTONOSUPPORT)
		(void)snprintf(why, WIRE_WHY_MAX + 1,
			       "this mitosisd speaks version %u, not %u: "
			       "install the same mitosisfs on both hosts",
			       WIRE_VERSION, version);
	else if (!why[0] && error == -EUSERS)
		(void)snprintf(why, WIRE_WHY_MAX + 1,
			       "%u clients are connected already: try again "
			       "later, or raise --max-clients",
			       server->options.clients_max);
	serve_turned_away(server, greeting->fd, error, why);
	return error;
}

int serve_hello(struct server *server, const struct serve_greeting *greeting,
		void **ret_session, char *why)
{
	const uint8_t *body = greeting->body;
	size_t len = greeting->body_bytes;
	struct wire_hello hello;
	const struct serve_origin origin = {
		.hello = &hello,
		.fd = greeting->fd,
		.is_verbs = greeting->is_verbs,
		.here = greeting->here,
		.there = greeting->there,
		.tls_name = greeting->tls_name,
	};
	int error = wire_get_hello(body, len, &hello);

	if (error && error != -EPROTONOSUPPORT)
		return -EPROTO;
	if (!error && server->stats.clients >= server->options.clients_max)
		error = -EUSERS;
	if (!error)
		error = server->handler->join(server->handler_arg, &origin,
					      ret_session, why);
	/* Theirs to say, but ours means another thing. */
	if (error == -EPROTO)
		error = -EACCES;
	if (error)
		return refuse_hello(server, greeting, error, why);
	server->stats.strangers--;
	server->stats.clients++;
	return 0;
}

size_t serve_welcome(const struct server *server, uint8_t out[WIRE_REQUEST_MAX])
{
	const struct wire_hello hello = {
		.version = WIRE_VERSION,
		.read_max_bytes = WIRE_READ_MAX,
		.rdma_port = server->rdma_port,
	};

	return wire_put_hello(out, &hello);
}

void serve_goodbye(struct server *server, bool joined, void *session)
{
	if (!joined) {
		server->stats.strangers--;
		return;
	}
	server->stats.clients--;
	server->handler->leave(session);
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
