/* SPDX-License-Identifier: MIT */
/*
 * tcp_serve.h - the serving end: pages of snapshots to many clients
 *
 * Step 3 of the way of a page.  Above: parent/daemon.c, which knows images and
 * who may read them.  This file knows frames, HELLO and READ; every other
 * request goes to the handler, which may answer it later.
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

#include <stddef.h>
#include <stdint.h>

#include "common/source.h"
#include "common/wire.h"
#include "rdmafetch/loop.h"
#include "rdmafetch/tcp_batch.h"

struct tcp_serve;

struct tcp_serve_options {
	unsigned clients_max;	/* that said HELLO: 1 to 65536 */
	unsigned strangers_max; /* that did not yet */
	int hello_ms;		/* how long a stranger may stay one */
	int stall_ms; /* how long a client may take none of its replies */
};

extern const struct tcp_serve_options tcp_serve_defaults;

/* Who asked, and for what: what an answer needs.  Freely copied. */
struct tcp_serve_ticket {
	uint64_t client; /* never used twice */
	uint32_t id;
	uint16_t type; /* enum wire_type */
};

/* What the handler knows about one client is its session. */
struct tcp_serve_ops {
	/*
	 * A client said HELLO on socket @fd.  Returns 0 with its session, or
	 * -errno and words in @why (WIRE_WHY_MAX + 1 bytes) to refuse it.
	 */
	int (*join)(void *arg, uint64_t client, int fd, void **ret_session,
		    char *why);
	/* The client is gone.  Answers to its tickets go nowhere from now. */
	void (*leave)(void *session);
	/*
	 * A request that is neither HELLO, READ, NIL nor EXPORT.  @body lives
	 * until this returns.  Each ticket wants exactly one answer, now or
	 * later.
	 */
	void (*request)(void *session, const struct tcp_serve_ticket *ticket,
			const uint8_t *body, size_t body_bytes);
	/*
	 * The bytes behind a handle, which stay good until this turn of the
	 * loop ends.  Returns 0, -EBADF, or -ESTALE.
	 */
	int (*source)(void *session, uint32_t handle,
		      struct page_source **ret_source);
};

/*
 * Start serving on @loop, which must live longer.  Returns 0, -EINVAL for
 * options out of range, or -ENOMEM.
 */
int tcp_serve_open(struct loop *loop, const struct tcp_serve_options *options,
		   const struct tcp_serve_ops *ops, void *arg,
		   struct tcp_serve **ret);

/*
 * Accept clients from @fd, a listening stream socket without O_NONBLOCK.  On
 * success the server owns it.  Returns 0 or -ENOMEM.
 */
int tcp_serve_listen(struct tcp_serve *serve, int fd);

/* Tell clients that say HELLO from now where RDMA is served; 0: nowhere. */
void tcp_serve_tell_rdma(struct tcp_serve *serve, uint16_t port);

/*
 * Answer with @body (copied).  Returns 0, or -ENOTCONN when the client has
 * left, or -ENOMEM (then the connection is dropped).
 */
int tcp_serve_answer(struct tcp_serve *serve,
		     const struct tcp_serve_ticket *ticket, const void *body,
		     size_t body_bytes);

/* As tcp_serve_answer(), with @tail behind @body, which is never copied.
 * tail->done() is called in any case, perhaps before this returns. */
int tcp_serve_answer_tail(struct tcp_serve *serve,
			  const struct tcp_serve_ticket *ticket,
			  const void *body, size_t body_bytes,
			  const struct batch_tail *tail);

/* Answer with @error (-errno) and a line of words. */
int tcp_serve_refuse(struct tcp_serve *serve,
		     const struct tcp_serve_ticket *ticket, int error,
		     const char *why);

struct tcp_serve_stats {
	uint64_t clients, strangers;		/* now */
	uint64_t accepted, turned_away, broken; /* connections, ever */
	uint64_t requests, reads, urgent_reads, failed_reads;
	uint64_t read_bytes, sends;
};

void tcp_serve_get_stats(const struct tcp_serve *serve,
			 struct tcp_serve_stats *ret_stats);

/* Drop every client and listener, wait for the kernel to let go of their
 * buffers, free.  NULL is allowed. */
void tcp_serve_close(struct tcp_serve *serve);
