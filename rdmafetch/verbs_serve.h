/* SPDX-License-Identifier: MIT */
/*
 * verbs_serve.h - the serving end over RDMA: messages and FAR replies
 *
 * Step 3 of the way of a page, where there is RDMA.  Above: serve.h, which says
 * what a server does and what its handler.  One-sided READs of what a client
 * was exported never come by here: the device answers them.
 *
 *     verbs_serve.c     turns, and time
 *       verbs_house.c     who is here, and by which device
 *       verbs_accept.c    librdmacm: listeners, connections that come and go
 *       verbs_client.c    one client's requests
 *         verbs_pages.c     READ messages
 *         verbs_reply.c     replies, in a message or FAR
 *         verbs_loans.c     memory for FAR replies
 *         verbs_conn.c      its queue pair
 *       verbs_hub.c       a device's completion queue, a client's domain
 *
 * The queue is polled while there is work and a little longer, then armed: a
 * busy server makes no system call for a message that came, an idle one sleeps.
 *
 * No libibverbs here: without it verbs_serve_open() says so.
 *
 * Threads: the thread of the loop makes every call.
 */
#pragma once

#include <sys/socket.h>

#include "rdmafetch/loop.h"
#include "rdmafetch/serve.h"

struct verbs_serve;

/*
 * Start serving on @loop, which must live longer.  The defaults are TCP's, but
 * a device with small queues may serve fewer clients at a time.
 *
 * Returns 0, -EOPNOTSUPP when built without RDMA, -ENODEV when this host has no
 * RDMA device, -EINVAL for options out of range, or -errno of librdmacm.
 */
int verbs_serve_open(struct loop *loop, const struct serve_options *options,
		     const struct serve_ops *ops, void *arg,
		     struct verbs_serve **ret);

/*
 * Accept clients that connect to @addr, an IPv4 or IPv6 address and a port of
 * RDMA_PS_TCP (0: any).  On success *@ret_port is the port.
 *
 * Returns 0, -ENODEV or -EADDRNOTAVAIL when no RDMA device has that address,
 * -EADDRINUSE, or another -errno of rdma_bind_addr(3) and rdma_listen(3).
 */
int verbs_serve_listen(struct verbs_serve *serve, const struct sockaddr *addr,
		       uint16_t *ret_port);

void verbs_serve_get_stats(const struct verbs_serve *serve,
			   struct serve_stats *ret_stats);

/* Drop every client and listener, free.  Does not turn the loop.  NULL is
 * allowed. */
void verbs_serve_close(struct verbs_serve *serve);
