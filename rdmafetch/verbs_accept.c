/* SPDX-License-Identifier: MIT */
/* verbs_accept.c - see verbs_accept.h */
#include "rdmafetch/verbs_accept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "rdmafetch/verbs_device.h"

#define BACKLOG 64
/* Events taken in one go: clients that come do not hold up those who are. */
#define EVENTS_MAX 16

struct vaccept_listener {
	struct vaccept_listener *next;
	struct rdma_cm_id *id;
};

struct verbs_accept {
	struct loop *loop;
	const struct vaccept_ops *ops;
	void *arg;
	struct rdma_event_channel *channel;
	struct loop_watch *watch;
	struct vaccept_listener *listeners;
};

static int error_of_call(void)
{
	return errno ? -errno : -EIO;
}

static void consider(struct verbs_accept *accept, struct rdma_cm_id *id,
		     const struct rdma_conn_param *param)
{
	/* It comes with the listener's context. */
	id->context = NULL;
	if (!accept->ops->wanted(accept->arg, id, param))
		return;
	(void)rdma_reject(id, NULL, 0);
	(void)rdma_destroy_id(id);
}

/* An id can only end when its events are acknowledged, so first things first.
 */
static void take_event(struct verbs_accept *accept, struct rdma_cm_event *event)
{
	enum rdma_cm_event_type type = event->event;
	struct rdma_conn_param param = event->param.conn;
	struct rdma_cm_id *id = event->id;

	(void)rdma_ack_cm_event(event);
	param.private_data = NULL;
	if (type == RDMA_CM_EVENT_CONNECT_REQUEST)
		consider(accept, id, &param);
	else if (!id->context)
		return; /* a listener: its device may come back */
	else if (type == RDMA_CM_EVENT_ESTABLISHED)
		accept->ops->connected(accept->arg, id->context);
	else if (type != RDMA_CM_EVENT_ADDR_CHANGE)
		accept->ops->gone(accept->arg, id->context);
}

static void take_events(void *arg)
{
	struct verbs_accept *accept = arg;
	struct rdma_cm_event *event;

	accept->watch = NULL;
	for (int i = 0; i < EVENTS_MAX; i++) {
		if (rdma_get_cm_event(accept->channel, &event))
			break;
		take_event(accept, event);
	}
	vaccept_poll(accept);
}

void vaccept_poll(struct verbs_accept *accept)
{
	if (!accept->watch)
		(void)loop_watch(accept->loop, accept->channel->fd, take_events,
				 accept, &accept->watch);
}

static int open_channel(struct verbs_accept *accept)
{
	int flags;

	/* librdmacm would say more than it should on stderr. */
	if (!verbs_device_names(NULL, 0))
		return -ENODEV;
	errno = 0;
	accept->channel = rdma_create_event_channel();
	if (!accept->channel)
		return error_of_call();
	flags = fcntl(accept->channel->fd, F_GETFL);
	if (flags < 0 ||
	    fcntl(accept->channel->fd, F_SETFL, flags | O_NONBLOCK) ||
	    fcntl(accept->channel->fd, F_SETFD, FD_CLOEXEC))
		return error_of_call();
	return loop_watch(accept->loop, accept->channel->fd, take_events,
			  accept, &accept->watch);
}

int vaccept_open(struct loop *loop, const struct vaccept_ops *ops, void *arg,
		 struct verbs_accept **ret)
{
	struct verbs_accept *accept = calloc(1, sizeof(*accept));
	int error;

	if (!accept)
		return -ENOMEM;
	accept->loop = loop;
	accept->ops = ops;
	accept->arg = arg;
	error = open_channel(accept);
	if (error)
		vaccept_close(accept);
	else
		*ret = accept;
	return error;
}

static int listen_at(struct vaccept_listener *listener,
		     const struct sockaddr *addr)
{
	if (rdma_bind_addr(listener->id, (struct sockaddr *)addr) ||
	    rdma_listen(listener->id, BACKLOG))
		return error_of_call();
	return 0;
}

int vaccept_listen(struct verbs_accept *accept, const struct sockaddr *addr,
		   uint16_t *ret_port)
{
	struct vaccept_listener *listener = calloc(1, sizeof(*listener));
	int error;

	if (!listener)
		return -ENOMEM;
	errno = 0;
	if (rdma_create_id(accept->channel, &listener->id, NULL, RDMA_PS_TCP)) {
		error = error_of_call();
		free(listener);
		return error;
	}
	error = listen_at(listener, addr);
	if (error) {
		(void)rdma_destroy_id(listener->id);
		free(listener);
		return error;
	}
	*ret_port = be16toh(rdma_get_src_port(listener->id));
	listener->next = accept->listeners;
	accept->listeners = listener;
	return 0;
}

void vaccept_close(struct verbs_accept *accept)
{
	struct vaccept_listener *listener, *next;

	if (!accept)
		return;
	if (accept->watch)
		loop_unwatch(accept->loop, accept->watch);
	for (listener = accept->listeners; listener; listener = next) {
		next = listener->next;
		(void)rdma_destroy_id(listener->id);
		free(listener);
	}
	if (accept->channel)
		rdma_destroy_event_channel(accept->channel);
	free(accept);
}
