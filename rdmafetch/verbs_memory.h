/* SPDX-License-Identifier: MIT */
/*
 * verbs_memory.h - memory of this process that a device may touch
 *
 * Whole pages of their own, so that no neighbour of a buffer shares a page with
 * it; zeroed; not given to forked processes, which would get a copy of every
 * pinned page at fork (Linux since 5.12) and hold other people's bytes.
 *
 * Threads: any.
 */
#pragma once

#include <infiniband/verbs.h>
#include <stddef.h>

/*
 * @len_bytes of memory registered on @pd with @access (enum ibv_access_flags).
 *
 * Returns 0, or -ENOMEM, also when it cannot be pinned (ulimit -l), or another
 * -errno of ibv_reg_mr(3).
 */
int verbs_memory_new(struct ibv_pd *pd, size_t len_bytes, int access,
		     struct ibv_mr **ret_mr);

/* Deregister and unmap.  NULL is allowed. */
void verbs_memory_free(struct ibv_mr *mr);
