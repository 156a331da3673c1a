/* SPDX-License-Identifier: MIT */
/* verbs_accept.c - see verbs_accept.h */
#include "rdmafetch/verbs_accept.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "rdmafetch/verbs_device.h"

#define BACKLOG 64
/* Events taken in one go: clients that come do not hold up those who are. */
#define EVENTS_MAX 16

struct vaccept_listener {
	struct vaccept_listener *next;
	struct rdma_cm_id *id; /* NULL: its device is gone */
	struct sockaddr_storage addr;
};

struct verbs_accept {
	struct loop *loop;
	enum rdma_port_space space;
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

/* One of an address, whose device is gone; one of all addresses stays.  False:
 * it is no listener. */
static bool lose_listener(struct verbs_accept *accept, struct rdma_cm_id *id)
{
	struct vaccept_listener *listener = accept->listeners;

	while (listener && listener->id != id)
		listener = listener->next;
	if (!listener)
		return false;
	(void)rdma_destroy_id(id);
	listener->id = NULL;
	accept->ops->lost(accept->arg);
	return true;
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
	if (type == RDMA_CM_EVENT_DEVICE_REMOVAL && lose_listener(accept, id))
		return;
	if (type == RDMA_CM_EVENT_CONNECT_REQUEST)
		consider(accept, id, &param);
	else if (!id->context)
		return; /* a listener */
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

static size_t address_bytes(const struct sockaddr *addr)
{
	return addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6);
}

static void set_port(struct sockaddr_storage *addr, uint16_t port)
{
	if (addr->ss_family == AF_INET)
		((struct sockaddr_in *)addr)->sin_port = htobe16(port);
	else
		((struct sockaddr_in6 *)addr)->sin6_port = htobe16(port);
}

static int listen_at(const struct verbs_accept *accept,
		     struct vaccept_listener *listener)
{
	struct rdma_cm_id *id;
	int error;

	errno = 0;
	if (rdma_create_id(accept->channel, &id, NULL, accept->space))
		return error_of_call();
	if (rdma_bind_addr(id, (struct sockaddr *)&listener->addr) ||
	    rdma_listen(id, BACKLOG)) {
		error = error_of_call();
		(void)rdma_destroy_id(id);
		return error;
	}
	listener->id = id;
	return 0;
}

/* Listen again where a device has come back. */
static void find_lost(struct verbs_accept *accept)
{
	struct vaccept_listener *listener = accept->listeners;

	for (; listener; listener = listener->next)
		if (!listener->id && listen_at(accept, listener))
			accept->ops->lost(accept->arg);
}

void vaccept_poll(struct verbs_accept *accept)
{
	find_lost(accept);
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

int vaccept_open(struct loop *loop, enum rdma_port_space space,
		 const struct vaccept_ops *ops, void *arg,
		 struct verbs_accept **ret)
{
	struct verbs_accept *accept = calloc(1, sizeof(*accept));
	int error;

	if (!accept)
		return -ENOMEM;
	accept->loop = loop;
	accept->space = space;
	accept->ops = ops;
	accept->arg = arg;
	error = open_channel(accept);
	if (error)
		vaccept_close(accept);
	else
		*ret = accept;
	return error;
}

int vaccept_listen(struct verbs_accept *accept, const struct sockaddr *addr,
		   uint16_t *ret_port)
{
	struct vaccept_listener *listener = calloc(1, sizeof(*listener));
	int error;

	if (!listener)
		return -ENOMEM;
	memcpy(&listener->addr, addr, address_bytes(addr));
	error = listen_at(accept, listener);
	if (error) {
		free(listener);
		return error;
	}
	*ret_port = be16toh(rdma_get_src_port(listener->id));
	set_port(&listener->addr, *ret_port);
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
		if (listener->id)
			(void)rdma_destroy_id(listener->id);
		free(listener);
	}
	if (accept->channel)
		rdma_destroy_event_channel(accept->channel);
	free(accept);
}
