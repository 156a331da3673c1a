/* SPDX-License-Identifier: MIT */
/*
 * parking.h - reads of a hard mount that wait for their parent to come back
 *
 * A thread of the session that waited itself would soon leave none to answer
 * the kernel: no ls, no interrupt.  So a read that finds no connection is put
 * aside, its thread goes on, and two threads care for what is parked:
 *
 *     the mender   looks for a connection; then answers all that is parked
 *     the guard    ends reads whose process is being killed (FUSE_INTERRUPT),
 *                  and, when the mount is aborted or gone, everything at once
 *
 * A reader that gets a signal which does not kill it goes on waiting, as on a
 * hard NFS mount: an error would be SIGBUS where a map is read.
 *
 * Above: fs/session.c, fs/ops.c.  Below: rdmafetch/fetch.h.
 * Threads: add from any; open and close from the session's.
 * Locks: parking's; none is held while a request is answered.
 */
#pragma once

#include <stdbool.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "rdmafetch/fetch.h"

struct parking;

/* What the kernel asked. */
struct parking_read {
	fuse_req_t req;
	fuse_ino_t ino;
	size_t size_bytes;
	off_t offset;
};

/*
 * Start the two threads for @fuse, which is mounted, and @fetch; both must
 * outlive the parking.  Parked reads are asked again by @again, from the
 * mender, which may park them anew.  Returns 0, -ENOMEM, or -errno of
 * eventfd() or thread creation.
 */
int parking_open(struct fuse_session *fuse, struct fetch *fetch,
		 void (*again)(const struct parking_read *read),
		 struct parking **ret);

/*
 * Park @read, whose request is the parking's from now on.  Returns 0, or with
 * the request still the caller's -ENOMEM, or -ESHUTDOWN when the mount ends.
 */
int parking_add(struct parking *parking, const struct parking_read *read);

/*
 * A read begins, which may wait: the guard looks now and then whether the mount
 * is cut, until nothing was read for a while.  Costs a load of one word.
 */
void parking_watch(struct parking *parking);

/* End what is parked, and the threads.  NULL is allowed. */
void parking_close(struct parking *parking);

/*
 * Whether a thread is dying, by the text of its /proc/TID/status: SIGKILL is
 * pending for it, as it is in each thread when any signal kills a process.
 */
bool parking_is_dying(const char *status);
