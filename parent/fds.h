/* SPDX-License-Identifier: MIT */
/*
 * fds.h - what a process has open, at the moment of the image
 *
 * Two halves, because the target waits for the second:
 *
 *   fds_scan()     target runs    paths, stat, sockets' addresses, kinds, what
 *                                 epoll sets watch
 *   fds_capture()  target paused  the list itself, positions, counts, epoll
 *                                 sets, timers, bytes in pipes, and whatever
 *                                 the scan did not see
 *   fds_finish()   target runs    the tables of the image
 *
 * Copies that pidfd_getfd(2) makes are closed before the function returns: one
 * that lived longer would keep a socket of the target open.
 * Threads: one owner.  Sources: proc_pid_fdinfo(5), kcmp(2), tee(2).
 */
#pragma once

#include <sys/types.h>

#include "common/image.h"
#include "parent/refusal.h"

struct fds;

/*
 * Look at all descriptors of @pid while it runs.
 *
 * Returns 0, or
 *   -EOPNOTSUPP  an io_uring is open, words in @why
 *   -ESRCH, -EACCES, -ENOMEM, or -errno of /proc
 */
int fds_scan(pid_t pid, struct fds **ret_fds, struct refusal *why);

/*
 * Bring @fds up to this moment.  All threads of the target must be stopped.
 * Results as fds_scan(), and -E2BIG past IMAGE_FDS_MAX or IMAGE_EPOLLS_MAX.
 */
int fds_capture(struct fds *fds, struct refusal *why);

/*
 * Fill fds and epolls of @image, which must have none yet.  Does not look at
 * the target.  0 or -ENOMEM.
 */
int fds_finish(struct fds *fds, struct image *image);

/* NULL is allowed. */
void fds_free(struct fds *fds);
