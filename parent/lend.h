/* SPDX-License-Identifier: MIT */
/*
 * lend.h - have a lender register its memory on a device of the daemon's
 *
 *     keeper                             lender
 *       mmap, socketpair  ............>    scratch in a hole, two sockets
 *       pidfd_getfd       <............    one of them
 *       sendmsg           ---- fds --->    recvmsg, mmap of the deeds
 *       code              ............>    ioctl, ioctl, ioctl ...  stops
 *       close_range, munmap ..........>    as before
 *
 * The ioctl is RDMA_VERBS_IOCTL with UVERBS_METHOD_INVOKE_WRITE of REG_MR: the
 * kernel takes the memory of the caller and the protection domain of the
 * descriptor's owner, so no library is needed in the lender.
 *
 * Threads: the tracing thread.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"
#include "parent/deeds.h"
#include "parent/lender.h"

struct lend_job {
	int cmd_fd; /* stays the caller's */
	uint32_t driver_id, pd_handle;
	uint32_t access;		/* enum ib_uverbs_access_flags */
	const struct image_run *ranges; /* keeper_lend() looks at them */
	uint32_t nr_ranges;
};

/*
 * Register the ranges of @deeds_fd (deeds.h), which stays the caller's, one by
 * one.  Blocks for as long as the kernel takes: with pinned memory that is a
 * copy of it.
 *
 * Returns 0 when every range was tried.  Else @deeds_fd knows which were, and
 * @lender is good for lender_close() only: -ESRCH when it was killed, -EPERM,
 * -EIO, -ENOMEM, or -errno of mmap(2) and socketpair(2) in it.
 */
int lend_register(struct lender *lender, const struct lend_job *job,
		  int deeds_fd);
