/* SPDX-License-Identifier: MIT */
/*
 * verbs_hub.h - one device of the serving end: its completions, its domains
 *
 * All clients that came by one device share a completion queue; each has a
 * protection domain of its own, in which its queue pair, its messages, its FAR
 * replies and the regions exported to it live.  A key that was guessed or
 * passed on is worth nothing in another domain.
 *
 * (A shared receive queue would have to be in all those domains at once: rxe
 * looks for a receive buffer in the domain of the queue pair.)
 *
 * A device can be taken away.  Its descriptors say so for ever after, so the
 * hub is dead then: watched no more, and closed when its clients and the last
 * domain are gone.  librdmacm would close the device's context before that,
 * with its last connection, and another file get the number of its descriptor:
 * so a hub holds the list of devices.
 *
 * Threads: the thread of the loop.
 */
#pragma once

#include "rdmafetch/loop.h"
#include "rdmafetch/serve.h"
#include "rdmafetch/verbs_device.h"

/* Work requests of one client at a time, hence of its completions. */
#define VERBS_RECVS_POSTED 96u
#define VERBS_SENDS_POSTED 96u

struct verbs_hub {
	struct verbs_hub *next;
	struct verbs_device device;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct loop *loop;
	struct loop_watch *watch, *async_watch;
	struct ibv_context **held; /* of rdma_get_devices(3) */
	unsigned refs;		   /* the house and the domains */
	unsigned nr_clients, clients_max;
	uint64_t now_ns; /* of this turn of the loop, CLOCK_MONOTONIC */
	bool is_armed;	 /* the next completion makes an event, or did */
	bool is_dead;	 /* the device is gone */
};

/*
 * Make a hub of the device of @context, which librdmacm opened, for up to
 * @clients_max clients, or as many as the device's queues allow.  Its events
 * wake @loop.
 *
 * Returns 0 or -errno of libibverbs.
 */
int verbs_hub_open(struct loop *loop, struct ibv_context *context,
		   unsigned clients_max, struct verbs_hub **ret);

/* Watch for events again, where that has failed for want of memory. */
void verbs_hub_watch(struct verbs_hub *hub);

/* Let the loop be: before it or what it calls ends. */
void verbs_hub_unwatch(struct verbs_hub *hub);

/* Ask for an event at the next completion, unless that is asked already.
 * Returns 1 when it was asked now: then poll once more before sleeping. */
int verbs_hub_arm(struct verbs_hub *hub);

/* Give a reference back; the first one is that of verbs_hub_open()'s caller.
 * The last one closes it, unwatched. */
void verbs_hub_put(struct verbs_hub *hub);

/* A protection domain with what others need to register memory in it. */
struct verbs_domain {
	struct serve_verbs verbs;
	struct verbs_hub *hub;
	struct ibv_pd *pd;
	unsigned refs;
};

/* With one reference.  Returns 0 or -errno of ibv_alloc_pd(3). */
int verbs_domain_new(struct verbs_hub *hub, struct verbs_domain **ret);

struct verbs_domain *verbs_domain_get(struct verbs_domain *domain);

/* The last one frees it, and gives the hub back. */
void verbs_domain_put(struct verbs_domain *domain);
