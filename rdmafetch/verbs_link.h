/* SPDX-License-Identifier: MIT */
/*
 * verbs_link.h - one reliable connection, its queues and its memory
 *
 * Messages and READs go through one queue pair; all completions come to one
 * queue, which has a channel to sleep on.  The memory is one registered piece:
 *
 *     [ receive buffers ][ small sends, one per work request ][ big send ]
 *     [ staging, for what verbs_control.c reads in pieces               ]
 *
 * Above: verbs_control.c, then verbs.c, which takes the link over.
 * Threads: as the caller says; nothing here locks.
 */
#pragma once

#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"
#include "rdmafetch/verbs_address.h"
#include "rdmafetch/verbs_pack.h"

#define VERBS_MESSAGE_MAX   VPACK_MAX_BYTES
#define VERBS_SMALL_BYTES   64u /* a READ or TAKEN request fits */
#define VERBS_RECVS	    64u
#define VERBS_SENDS_MAX	    512u
#define VERBS_STAGING_BYTES (256u << 10)
#define VERBS_RECV_BIT	    (1ull << 63) /* in the wr_id of a receive */

struct verbs_link {
	struct rdma_event_channel *events;
	struct rdma_cm_id *id; /* with the queue pair, until it is cut */
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	char *memory;
	int poll_fd; /* readable: see verbs_link_wait() */
	enum verbs_completion completion;
	unsigned nr_sends; /* work requests that the send queue holds */
	bool has_inline;   /* small sends need not be read by the device */
	bool is_armed;	   /* the next completion makes an event, or did */
	bool has_event;	   /* the channel has one that woke us */
	bool is_over;	   /* the peer, or the device, is gone */
};

/*
 * Connect to @address within its timeout; receives are posted and the
 * completion queue is armed.  Blocks.
 *
 * Returns 0 or -errno: those of verbs_dial_route() and verbs_dial_connect(), or
 * -ENOMEM when memory cannot be pinned (ulimit -l).
 */
int verbs_link_open(const struct verbs_address *address,
		    struct verbs_link **ret);

/* The other end; valid while the link is. */
const struct sockaddr *verbs_link_peer(const struct verbs_link *link);

/* The name of the local device. */
const char *verbs_link_device(const struct verbs_link *link);

/*
 * End the connection: on return the device touches no memory any more, and no
 * completion comes.  Tells the peer, does not wait for it.
 */
void verbs_link_cut(struct verbs_link *link);

/* Break it, so that all that is posted completes in error.  Any thread. */
void verbs_link_break(struct verbs_link *link);

/* NULL and half-built are allowed. */
void verbs_link_close(struct verbs_link *link);

char *verbs_link_recv_buf(const struct verbs_link *link, unsigned at);
char *verbs_link_small_buf(const struct verbs_link *link, uint64_t seq);
char *verbs_link_big_buf(const struct verbs_link *link);
char *verbs_link_staging(const struct verbs_link *link);

/* Give receive buffer @at (back) to the queue pair.  0 or -errno. */
int verbs_link_post_recv(struct verbs_link *link, unsigned at);

/* Ask for an event at the next completion, unless that is asked already. */
void verbs_link_arm(struct verbs_link *link);

/*
 * Sleep until an event, at most @timeout_ms (-1: no limit).  Arm first, and
 * look at the queue once more.  May return for no reason; link->is_over is set
 * when the connection ended.
 */
void verbs_link_wait(struct verbs_link *link, int timeout_ms);
