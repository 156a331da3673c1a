/* SPDX-License-Identifier: MIT */
/*
 * verbs_ud_serve.h - the serving end by RDMA datagrams
 *
 * One queue pair of each device serves all clients: none has a connection, a
 * queue or memory of its own here. They ask and are answered; pages go over
 * connections (verbs_serve.h).
 *
 *     verbs_ud_serve.c   turns, time
 *       verbs_accept.c     librdmacm: who asks for our queue pair's number
 *       verbs_ud_post.c    a device: its queue pair, its ways to hosts
 *       dgram_guests.c     who is here, and what they ask
 *
 * No libibverbs here: without it verbs_ud_serve_open() says so.
 *
 * Threads: the thread of the loop makes every call.
 */
#pragma once

#include <sys/socket.h>

#include "rdmafetch/loop.h"
#include "rdmafetch/serve.h"

struct verbs_ud_serve;

/*
 * Start serving on @loop, which must live longer.
 *
 * Returns 0, -EOPNOTSUPP when built without RDMA, -ENODEV when this host has no
 * RDMA device, -EINVAL for options out of range, or -errno of librdmacm.
 */
int verbs_ud_serve_open(struct loop *loop, const struct serve_options *options,
			const struct serve_ops *ops, void *arg,
			struct verbs_ud_serve **ret);

/*
 * Take clients that look for us at @addr, an IPv4 or IPv6 address and a port of
 * RDMA_PS_UDP (0: any).  As verbs_serve_listen().
 */
int verbs_ud_serve_listen(struct verbs_ud_serve *serve,
			  const struct sockaddr *addr, uint16_t *ret_port);

void verbs_ud_serve_get_stats(const struct verbs_ud_serve *serve,
			      struct serve_stats *ret_stats);

/* Drop every guest and listener, free.  Does not turn the loop.  NULL is
 * allowed. */
void verbs_ud_serve_close(struct verbs_ud_serve *serve);
