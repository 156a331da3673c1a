/* SPDX-License-Identifier: MIT */
/*
 * lend.h - have a lender register its memory on a device of the daemon's
 *
 *     keeper                             lender
 *       mmap, socketpair  ............>    scratch in a hole, two sockets
 *       pidfd_getfd       <............    one of them
 *       sendmsg           ---- fd ---->    recvmsg
 *       code, ranges      ............>    ioctl, ioctl, ioctl ...  stops
 *       answers           <............
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
#include "parent/lender.h"

struct lend_job {
	int cmd_fd; /* stays the caller's */
	uint32_t driver_id, pd_handle;
	uint32_t access; /* enum ib_uverbs_access_flags */
	const struct image_run *ranges;
	uint32_t nr_ranges;
};

/* What became of one range. */
struct lend_deed {
	int32_t error; /* 0 or -errno; the others count only with 0 */
	uint32_t mr_handle, rkey;
};

/*
 * Register the ranges, one by one; @deeds has room for all.  Blocks for as long
 * as the kernel takes: with pinned memory that is a copy of it.
 *
 * Returns 0 when every range was tried.  Else nothing is known of what was
 * registered, and @lender is good for lender_close() only: -ESRCH when it was
 * killed, -EPERM, -EIO, -ENOMEM, or -errno of mmap(2) and socketpair(2) in it.
 */
int lend_register(struct lender *lender, const struct lend_job *job,
		  struct lend_deed *deeds);
