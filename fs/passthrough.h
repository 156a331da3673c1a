/* SPDX-License-Identifier: MIT */
/*
 * passthrough.h - files whose pages the kernel takes from another file
 *
 * FUSE passthrough (Linux 6.9, Documentation/filesystems/fuse-passthrough.rst):
 * the answer to INIT asks for it, an ioctl on /dev/fuse makes a file known
 * under a number, and the answer to OPEN names that number.  From then on reads
 * and maps of what was opened are reads and maps of that file.
 *
 * libfuse speaks of it from 3.17 on.  Below that its answer to INIT is
 * completed on its way to the kernel, and the answer to OPEN is our own.
 *
 * One inode is either opened so or cached, never both at a time, and a file
 * opened so must not ask for KEEP_CACHE.
 */
#pragma once

#include <stdbool.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

/*
 * Answer the kernel's first question, which is waiting since the mount.  With
 * @wants ask for passthrough, where the kernel offers it: *@ret_has says so.
 * Once, before the session's loop.  Returns 0 or -EIO.
 */
int passthrough_answer_init(struct fuse_session *session, bool wants,
			    bool *ret_has);

/* In the init operation: what libfuse has to be told, if anything. */
void passthrough_init(struct fuse_conn_info *conn);

/*
 * Make @fd known to the kernel of the mount behind @fuse_fd.  Returns a number
 * above 0, or -EPERM without CAP_SYS_ADMIN, or another -errno.
 */
int passthrough_add(int fuse_fd, int fd);

/* Answer an OPEN: the file is @backing_id from now on. */
int passthrough_reply_open(fuse_req_t req, int backing_id);
