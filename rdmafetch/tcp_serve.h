/* SPDX-License-Identifier: MIT */
/*
 * tcp_serve.h - the serving end over sockets: pages to many clients
 *
 * Step 3 of the way of a page.  Above: serve.h, which says what a server does
 * and what its handler.  This file knows frames, HELLO and READ.
 *
 *     socket -> frames -> urgent READs --+-> batch -> one send
 *                     \-> bulk READs ----+
 *                      \-> handler ... answer
 *
 * Limits, so that no client harms another: a connection may say nothing but
 * HELLO until it did, and is dropped when it does not; a client that does not
 * take its replies is not read from, and dropped in the end; a broken frame
 * ends its connection.
 *
 * Threads: the thread of the loop makes every call.
 */
#pragma once

#include "rdmafetch/loop.h"
#include "rdmafetch/serve.h"

struct tcp_serve;

/*
 * Start serving on @loop, which must live longer.  Returns 0, -EINVAL for
 * options out of range, or -ENOMEM.
 */
int tcp_serve_open(struct loop *loop, const struct serve_options *options,
		   const struct serve_ops *ops, void *arg,
		   struct tcp_serve **ret);

/*
 * Accept clients from @fd, a listening stream socket without O_NONBLOCK.  On
 * success the server owns it.  Returns 0 or -ENOMEM.
 */
int tcp_serve_listen(struct tcp_serve *serve, int fd);

/*
 * Serve TLS to who begins with it, by the keys in the file at @psk_file
 * (psk.h), which is read for each client anew.  @psk_file lives longer.
 */
void tcp_serve_psk(struct tcp_serve *serve, const char *psk_file);

/* Tell clients that say HELLO from now where RDMA is served; 0: nowhere. */
void tcp_serve_tell_rdma(struct tcp_serve *serve, uint16_t port);

void tcp_serve_get_stats(const struct tcp_serve *serve,
			 struct serve_stats *ret_stats);

/* Drop every client and listener, wait for the kernel to let go of their
 * buffers, free.  NULL is allowed. */
void tcp_serve_close(struct tcp_serve *serve);
