/* SPDX-License-Identifier: MIT */
/* verbs_hub.c - see verbs_hub.h */
#include "rdmafetch/verbs_hub.h"

#include <errno.h>
#include <fcntl.h>
#include <rdma/rdma_cma.h>
#include <stdlib.h>

static int error_of_call(void)
{
	return errno ? -errno : -EIO;
}

static int do_not_block(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	return 0;
}

/* Each work request may end in a completion: a queue that overflows is lost,
 * and all its clients with it. */
static unsigned clients_of(const struct verbs_device *device, unsigned wanted)
{
	unsigned entries =
		device->attr.max_cqe < 0 ? 0 : (unsigned)device->attr.max_cqe;
	unsigned most = entries / (VERBS_RECVS_POSTED + VERBS_SENDS_POSTED);

	return most < wanted ? most : wanted;
}

static int open_queue(struct verbs_hub *hub)
{
	int entries = (int)(hub->clients_max *
			    (VERBS_RECVS_POSTED + VERBS_SENDS_POSTED));

	errno = 0;
	hub->channel = ibv_create_comp_channel(hub->device.context);
	if (!hub->channel)
		return error_of_call();
	hub->cq = ibv_create_cq(hub->device.context, entries, hub, hub->channel,
				0);
	return hub->cq ? 0 : error_of_call();
}

/* The kernel answers a descriptor of a device that is gone with EIO. */
static void judge(struct verbs_hub *hub, int error)
{
	if (error != EAGAIN && error != EINTR)
		hub->is_dead = true;
}

static void take_events(void *arg)
{
	struct verbs_hub *hub = arg;
	struct ibv_cq *cq;
	void *context;

	hub->watch = NULL;
	/* Armed once it makes one event, so there is no other to ask for. */
	if (ibv_get_cq_event(hub->channel, &cq, &context)) {
		judge(hub, errno);
	} else {
		ibv_ack_cq_events(hub->cq, 1);
		hub->is_armed = false;
	}
	verbs_hub_watch(hub);
}

/* What the device says about itself and its queue pairs; but for its end what
 * matters of that shows in completions too. */
static void take_async(void *arg)
{
	struct verbs_hub *hub = arg;
	struct ibv_async_event event;

	hub->async_watch = NULL;
	while (!ibv_get_async_event(hub->device.context, &event)) {
		if (event.event_type == IBV_EVENT_DEVICE_FATAL)
			hub->is_dead = true;
		ibv_ack_async_event(&event);
	}
	judge(hub, errno);
	verbs_hub_watch(hub);
}

void verbs_hub_watch(struct verbs_hub *hub)
{
	if (hub->is_dead)
		return;
	if (!hub->watch)
		(void)loop_watch(hub->loop, hub->channel->fd, take_events, hub,
				 &hub->watch);
	if (!hub->async_watch)
		(void)loop_watch(hub->loop, hub->device.context->async_fd,
				 take_async, hub, &hub->async_watch);
}

int verbs_hub_open(struct loop *loop, struct ibv_context *context,
		   unsigned clients_max, struct verbs_hub **ret)
{
	struct verbs_hub *hub = calloc(1, sizeof(*hub));
	int error;

	if (!hub)
		return -ENOMEM;
	hub->loop = loop;
	hub->refs = 1;
	hub->held = rdma_get_devices(NULL);
	error = verbs_device_look(context, &hub->device);
	hub->clients_max = clients_of(&hub->device, clients_max);
	if (!error && !hub->clients_max)
		error = -EOPNOTSUPP;
	if (!error)
		error = open_queue(hub);
	if (!error)
		error = do_not_block(hub->channel->fd);
	if (!error)
		error = do_not_block(context->async_fd);
	if (error) {
		verbs_hub_put(hub);
		return error;
	}
	verbs_hub_watch(hub);
	*ret = hub;
	return 0;
}

int verbs_hub_arm(struct verbs_hub *hub)
{
	if (hub->is_armed || hub->is_dead)
		return 0;
	hub->is_armed = !ibv_req_notify_cq(hub->cq, 0);
	return 1;
}

void verbs_hub_unwatch(struct verbs_hub *hub)
{
	loop_unwatch(hub->loop, hub->watch);
	loop_unwatch(hub->loop, hub->async_watch);
	hub->watch = hub->async_watch = NULL;
}

void verbs_hub_put(struct verbs_hub *hub)
{
	if (--hub->refs)
		return;
	if (hub->cq)
		(void)ibv_destroy_cq(hub->cq);
	if (hub->channel)
		(void)ibv_destroy_comp_channel(hub->channel);
	if (hub->held)
		rdma_free_devices(hub->held);
	free(hub);
}

static void put_verbs(const struct serve_verbs *verbs)
{
	verbs_domain_put((struct verbs_domain *)verbs);
}

int verbs_domain_new(struct verbs_hub *hub, struct verbs_domain **ret)
{
	struct verbs_domain *domain = calloc(1, sizeof(*domain));

	if (!domain)
		return -ENOMEM;
	errno = 0;
	domain->pd = ibv_alloc_pd(hub->device.context);
	if (!domain->pd) {
		free(domain);
		return error_of_call();
	}
	domain->refs = 1;
	domain->hub = hub;
	hub->refs++;
	domain->verbs = (struct serve_verbs){
		.cmd_fd = hub->device.context->cmd_fd,
		.driver_id = hub->device.driver_id,
		.pd_handle = domain->pd->handle,
		.has_odp = hub->device.has_odp,
		.put = put_verbs,
	};
	*ret = domain;
	return 0;
}

struct verbs_domain *verbs_domain_get(struct verbs_domain *domain)
{
	domain->refs++;
	return domain;
}

void verbs_domain_put(struct verbs_domain *domain)
{
	if (--domain->refs)
		return;
	(void)ibv_dealloc_pd(domain->pd);
	verbs_hub_put(domain->hub);
	free(domain);
}
