/* SPDX-License-Identifier: MIT */
/* session.c - see session.h */
#include "parent/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/report.h"
#include "parent/daemon.h"
#include "parent/exports.h"
#include "parent/prepare.h"

#define NS_PER_S 1000000000ull

struct session {
	struct daemon *daemon;
	struct peer peer;
	struct registry_image *handles[SESSION_HANDLES_MAX]; /* NULL: free */
	struct export_loan *loans[SESSION_HANDLES_MAX];
};

static int session_join(void *arg, const struct serve_origin *origin,
			void **ret_session, char *why)
{
	struct session *session = calloc(1, sizeof(*session));
	const struct identity_ask ask = {
		.fd = origin->fd,
		.is_verbs = origin->is_verbs,
		.here = origin->here,
		.there = origin->there,
		.hello = origin->hello,
		.tls_name = origin->tls_name,
	};
	int error;

	if (!session) {
		(void)snprintf(why, WIRE_WHY_MAX + 1, "no memory");
		return -ENOMEM;
	}
	session->daemon = arg;
	error = identity_find(&session->daemon->options.identity, &ask,
			      &session->peer, why);
	if (error)
		free(session);
	else
		*ret_session = session;
	return error;
}

static void session_leave(void *arg)
{
	struct session *session = arg;

	prepare_left(session->daemon, &session->peer);
	for (unsigned i = 0; i < SESSION_HANDLES_MAX; i++) {
		exports_leave(&session->loans[i]);
		if (session->handles[i])
			registry_put(session->handles[i]);
	}
	free(session);
}

static int session_source(void *arg, uint32_t handle,
			  struct page_source **ret_source)
{
	struct session *session = arg;
	const struct registry_image *image;

	if (handle >= SESSION_HANDLES_MAX || !session->handles[handle])
		return -EBADF;
	image = session->handles[handle];
	if (!image->content.source)
		return -ESTALE;
	*ret_source = image->content.source;
	return 0;
}

static void refuse_with(struct session *session,
			const struct serve_ticket *ticket, int error,
			const char *why)
{
	(void)serve_refuse(ticket, error, why);
}

static void take_prepare(struct session *session,
			 const struct serve_ticket *ticket, const uint8_t *body,
			 size_t len)
{
	struct wire_prepare wanted;

	if (wire_get_prepare(body, len, &wanted))
		refuse_with(session, ticket, -EPROTO, "a broken PREPARE");
	else
		prepare_image(session->daemon, &wanted, &session->peer, ticket);
}

/* The image that a request's body names; else the answer is given here. */
static struct registry_image *find(struct session *session,
				   const struct serve_ticket *ticket,
				   const uint8_t *body, size_t len)
{
	struct registry_image *image = NULL;
	struct wire_image wanted;
	const struct registry_ask ask = {
		.wanted = &wanted,
		.peer = &session->peer,
		.ready = ticket->type == WIRE_OPEN,
	};
	struct refusal why;
	int error;

	if (wire_get_image(body, len, &wanted)) {
		refuse_with(session, ticket, -EPROTO, "a broken image name");
		return NULL;
	}
	error = registry_find(session->daemon->registry, &ask, &image, &why);
	if (error) {
		refuse_with(session, ticket, error, why.why);
		return NULL;
	}
	daemon_rearm(session->daemon);
	return image;
}

static int free_handle(const struct session *session)
{
	for (unsigned i = 0; i < SESSION_HANDLES_MAX; i++)
		if (!session->handles[i])
			return (int)i;
	return -1;
}

static void put_desc(void *desc)
{
	registry_desc_put(desc);
}

static void take_open(struct session *session,
		      const struct serve_ticket *ticket, const uint8_t *body,
		      size_t len)
{
	struct registry_image *image = find(session, ticket, body, len);
	struct wire_opened opened;
	struct registry_desc *desc;
	struct serve_tail tail;
	uint8_t head[WIRE_REQUEST_MAX];
	int handle = free_handle(session);

	if (!image)
		return;
	if (handle < 0) {
		refuse_with(session, ticket, -EMFILE,
			    "this connection has opened too many images");
		return;
	}
	session->handles[handle] = registry_get(image);
	desc = registry_desc_get(image);
	opened.handle = (uint32_t)handle;
	opened.lease_s = image->lease_s;
	tail = (struct serve_tail){desc->bytes, desc->len_bytes, put_desc,
				   desc};
	(void)serve_answer_tail(ticket, head, wire_put_opened(head, &opened),
				&tail);
}

static void take_export(struct session *session,
			const struct serve_ticket *ticket, const uint8_t *body,
			size_t len)
{
	const struct registry_image *image = NULL;
	uint32_t handle;

	if (wire_get_export(body, len, &handle)) {
		refuse_with(session, ticket, -EPROTO, "a broken EXPORT");
		return;
	}
	if (handle < SESSION_HANDLES_MAX)
		image = session->handles[handle];
	if (!image)
		refuse_with(session, ticket, -EBADF, "no such handle");
	else if (!image->content.source)
		refuse_with(session, ticket, -ESTALE, "the image is gone");
	else if (session->loans[handle])
		refuse_with(session, ticket, -EALREADY,
			    "this handle is exported");
	else if (!image->content.exports)
		refuse_with(session, ticket, -EOPNOTSUPP, "no memory");
	else
		exports_ask(image->content.exports, ticket,
			    &session->loans[handle]);
}

static void take_release(struct session *session,
			 const struct serve_ticket *ticket, const uint8_t *body,
			 size_t len)
{
	struct registry_image *image = find(session, ticket, body, len);

	if (!image)
		return;
	session->daemon->released += image->state == REGISTRY_READY;
	registry_end(image);
	daemon_rearm(session->daemon);
	(void)serve_answer(ticket, NULL, 0);
}

/* The answer tells the lease, as OPEN's does; its handle means nothing. */
static void take_renew(struct session *session,
		       const struct serve_ticket *ticket, const uint8_t *body,
		       size_t len)
{
	const struct registry_image *image = find(session, ticket, body, len);
	struct wire_opened opened = {0};
	uint8_t out[WIRE_REQUEST_MAX];

	if (!image)
		return;
	opened.lease_s = image->lease_s;
	(void)serve_answer(ticket, out, wire_put_opened(out, &opened));
}

static void take_record(struct session *session,
			const struct serve_ticket *ticket, const uint8_t *body,
			size_t len)
{
	CLEANUP_FREE struct workset_part *part = malloc(sizeof(*part));
	struct registry_image *image;
	int error;

	if (!part) {
		refuse_with(session, ticket, -ENOMEM, "no memory");
		return;
	}
	if (workset_get_part(body, len, part)) {
		refuse_with(session, ticket, -EPROTO, "a broken RECORD");
		return;
	}
	image = find(session, ticket, body, WORKSET_IMAGE_BYTES);
	if (!image)
		return;
	error = registry_record(image, part);
	if (error == -EEXIST)
		refuse_with(session, ticket, error,
			    "the image has a working set already");
	else if (error)
		refuse_with(session, ticket, error, "no room for that");
	else
		(void)serve_answer(ticket, NULL, 0);
}

static void take_trace(struct session *session,
		       const struct serve_ticket *ticket, const uint8_t *body,
		       size_t len)
{
	struct registry_image *image = find(session, ticket, body, len);
	CLEANUP_FREE uint8_t *bytes = NULL;
	struct workset set;

	if (!image)
		return;
	set = registry_workset(image);
	bytes = malloc(workset_bytes(&set));
	if (!bytes) {
		refuse_with(session, ticket, -ENOMEM, "no memory");
		return;
	}
	workset_put(bytes, &set);
	(void)serve_answer(ticket, bytes, workset_bytes(&set));
}

static struct report_image describe(const struct registry_image *image,
				    uint64_t now_ns)
{
	const struct registry_content *content = &image->content;
	struct report_image told = {
		.ready = image->state == REGISTRY_READY,
		.pid = image->pid,
		.owner = image->owner,
		.handles = image->refs - 1,
		.lease_s = image->lease_s,
		.opens = image->opens,
		.age_ns = now_ns - image->claimed_ns,
		.pause_ns = content->pause_ns,
		.prepare_ns = content->prepare_ns,
		.present_bytes = content->present_bytes,
	};

	if (image->deadline_ns > now_ns)
		told.left_s =
			(uint32_t)((image->deadline_ns - now_ns) / NS_PER_S);
	memcpy(told.name, image->name, sizeof(told.name));
	memcpy(told.comm, content->comm, sizeof(told.comm));
	return told;
}

/* A client sees what it may read by who it is; keys are never told again. */
static void take_list(struct session *session,
		      const struct serve_ticket *ticket)
{
	struct registry *registry = session->daemon->registry;
	CLEANUP_FREE struct report_image *images = NULL;
	CLEANUP_FREE void *body = NULL;
	uint64_t now_ns = io_monotonic_ns();
	size_t nr = 0, len;

	images = calloc(registry_count(registry) + 1, sizeof(*images));
	for (const struct registry_image *image = registry_first(registry);
	     image && images; image = image->next)
		if (registry_is_for(image, &session->peer))
			images[nr++] = describe(image, now_ns);
	if (!images || report_put_images(images, nr, &body, &len))
		refuse_with(session, ticket, -ENOMEM, "no memory");
	else
		(void)serve_answer(ticket, body, len);
}

static void take_status(struct session *session,
			const struct serve_ticket *ticket)
{
	uint8_t body[REPORT_HEAD_BYTES + REPORT_STATUS_BYTES];
	struct report_status status;

	daemon_report(session->daemon, &status);
	(void)serve_answer(ticket, body, report_put_status(body, &status));
}

static void session_request(void *arg, const struct serve_ticket *ticket,
			    const uint8_t *body, size_t len)
{
	struct session *session = arg;

	switch (ticket->type) {
	case WIRE_PREPARE:
		take_prepare(session, ticket, body, len);
		break;
	case WIRE_OPEN:
		take_open(session, ticket, body, len);
		break;
	case WIRE_EXPORT:
		take_export(session, ticket, body, len);
		break;
	case WIRE_RELEASE:
		take_release(session, ticket, body, len);
		break;
	case WIRE_RENEW:
		take_renew(session, ticket, body, len);
		break;
	case WIRE_RECORD:
		take_record(session, ticket, body, len);
		break;
	case WIRE_TRACE:
		take_trace(session, ticket, body, len);
		break;
	case WIRE_LIST:
		take_list(session, ticket);
		break;
	case WIRE_STATUS:
		take_status(session, ticket);
		break;
	default:
		refuse_with(session, ticket, -EPROTO, "no such request");
	}
}

static void session_turned_away(void *arg, int fd, const char *why)
{
	struct daemon *daemon = arg;

	strangers_turned_away(&daemon->strangers, fd, why, io_monotonic_ns());
}

const struct serve_ops session_ops = {
	.join = session_join,
	.leave = session_leave,
	.request = session_request,
	.source = session_source,
	.turned_away = session_turned_away,
};
