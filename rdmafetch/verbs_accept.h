/* SPDX-License-Identifier: MIT */
/*
 * verbs_accept.h - connections of a verbs server that come and go
 *
 * Below: librdmacm.  Above: verbs_serve.c and verbs_ud_serve.c, whose functions
 * it calls.
 * Threads: the thread of the loop.
 */
#pragma once

#include <rdma/rdma_cma.h>

#include "rdmafetch/loop.h"

/* What the server does about them; @arg is its own. */
struct vaccept_ops {
	/* Somebody wants to connect.  The id is the callee's on 0; else the
	 * peer is refused. */
	int (*wanted)(void *arg, struct rdma_cm_id *id,
		      const struct rdma_conn_param *param);
	/* The id whose context is @client is connected. */
	void (*connected)(void *arg, void *client);
	/* It is not any more, or never will be. */
	void (*gone)(void *arg, void *client);
	/* A listener has lost its device: call vaccept_poll() in a while. */
	void (*lost)(void *arg);
};

struct verbs_accept;

/*
 * Listeners are in the port space @space: RDMA_PS_TCP for connections,
 * RDMA_PS_UDP for those who look for a queue pair to send datagrams to, who are
 * @wanted and no more.
 *
 * Returns 0, -ENODEV without RDMA devices, or -errno of librdmacm.
 */
int vaccept_open(struct loop *loop, enum rdma_port_space space,
		 const struct vaccept_ops *ops, void *arg,
		 struct verbs_accept **ret);

/* See verbs_serve_listen(). */
int vaccept_listen(struct verbs_accept *accept, const struct sockaddr *addr,
		   uint16_t *ret_port);

/* Look for events when a watch could not be set, and for the devices that lost
 * listeners need; cheap. */
void vaccept_poll(struct verbs_accept *accept);

/* End all listeners; after the last connection's id.  NULL and half-built are
 * allowed. */
void vaccept_close(struct verbs_accept *accept);
