/* SPDX-License-Identifier: MIT */
/*
 * rc_pair.h - a connection between two devices, both ends in one process
 *
 * Made by hand, without a connection manager: the server's end can answer
 * READs of what is registered in its protection domain, the client's asks.
 */
#pragma once

#include <infiniband/verbs.h>
#include <stddef.h>
#include <stdint.h>

#define RC_READ_MAX (256u << 10) /* bytes of one READ */

struct rc_end {
	struct ibv_context *context; /* the caller's */
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	union ibv_gid gid;
	uint8_t gid_index;
};

struct rc_pair {
	struct rc_end server, client;
	struct ibv_mr *mr; /* where READs arrive */
	uint8_t *buf;
};

/* Returns 0 or -errno; after an error rc_pair_close() is still due. */
int rc_pair_open(struct ibv_context *server, struct ibv_context *client,
		 struct rc_pair *pair);

/* Connect, anew if need be: a failed READ has broken both ends. */
int rc_pair_connect(struct rc_pair *pair);

/*
 * READ @len_bytes at @raddr into pair->buf.  Returns 0, -errno, or the status
 * of the completion (enum ibv_wc_status) when it failed.
 */
int rc_pair_read(struct rc_pair *pair, uint64_t raddr, uint32_t rkey,
		 uint32_t len_bytes);

void rc_pair_close(struct rc_pair *pair);
