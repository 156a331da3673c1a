/* SPDX-License-Identifier: MIT */
/*
 * verbs_buffers.h - local memory that the device may write
 *
 * Buffers that live long are registered once (transport_ops.prepare_buffer) and
 * found by address; reads into any other go through a registered pool and are
 * copied, which for small reads is cheaper than registering.
 *
 * Above: verbs_post.c, verbs.c.  Locks: none, the caller's; only registering
 * blocks, and verbs.c does that outside of its lock.
 */
#pragma once

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERBS_BUFFERS_MAX  128u
#define VERBS_BOUNCE_PAGES 512u /* 2 MiB: two of the largest reads */

struct verbs_buffers {
	struct ibv_mr *known[VERBS_BUFFERS_MAX]; /* by address */
	unsigned nr;
	struct ibv_mr *pool;
	char *pool_at;
	uint64_t used[VERBS_BOUNCE_PAGES / 64]; /* a bit a page */
	unsigned next;				/* where to look first */
};

/* Register the pool.  0 or -errno of ibv_reg_mr(): -ENOMEM by ulimit -l. */
int verbs_buffers_init(struct verbs_buffers *buffers, struct ibv_pd *pd);

/* Deregister everything.  All zero is allowed. */
void verbs_buffers_done(struct verbs_buffers *buffers);

/* Know @mr from now on: 0, -ENOSPC, or -EEXIST for a known address. */
int verbs_buffers_add(struct verbs_buffers *buffers, struct ibv_mr *mr);

/* Forget the one that begins at @buf, which is the caller's; NULL: none. */
struct ibv_mr *verbs_buffers_del(struct verbs_buffers *buffers,
				 const void *buf);

/* Whether all of @len_bytes at @buf is registered, and under which key. */
bool verbs_buffers_find(const struct verbs_buffers *buffers, const void *buf,
			size_t len_bytes, uint32_t *ret_lkey);

/* Take room for @len_bytes out of the pool, or NULL: none now. */
char *verbs_buffers_borrow(struct verbs_buffers *buffers, size_t len_bytes);
void verbs_buffers_give_back(struct verbs_buffers *buffers, const char *at,
			     size_t len_bytes);
