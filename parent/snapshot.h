/* SPDX-License-Identifier: MIT */
/*
 * snapshot.h - pause a process, copy it on write, let it go
 *
 * Step 1 of the way of a page.  This file knows the order of things:
 *
 *   scan     maps, gadgets, files, while the target runs   (parent/procfs.c
 * ...) seize    stop every thread                              } the capture
 * registers, signal state, shared memory         } pause: about clone    helper
 * M makes S, the stopped twin             } one fork() release  every thread
 * goes on where it was              } finish   everything that S can still tell
 * (parent/capture.c)
 *
 * Threads: the thread that takes a snapshot traces S, and S dies with it
 * (PTRACE_O_EXITKILL): use one process per snapshot (parent/keeper.c), without
 * children of its own, as snapshot_take() waits for any.  After -EBUSY a thread
 * that did not stop is free again at the latest when that process ends.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "parent/refusal.h"

struct snapshot_options {
	int stop_timeout_ms;	   /* all threads must stop in this time: 200 */
	uint64_t shared_max_bytes; /* of writable MAP_SHARED memory to copy */
	/* A socket whose far end closes, or shuts down its writing, when nobody
	 * wants it any more; 0: none. */
	int maker_fd;
};

/* What the pause leaves behind; owned by the caller of snapshot_take(). */
struct snapshot {
	pid_t target, twin; /* twin: S, stopped, traced by this thread */
	struct image *image;
	/*
	 * Writable MAP_SHARED pages, copied inside the pause: a memfd, and the
	 * table that says which virtual pages it holds, in file order.
	 */
	int shared_fd;
	struct image_run *shared_runs;
	uint32_t nr_shared_runs;
	int exe_fd; /* the executable, open for reading, or -1 */
};

/*
 * Take a snapshot of @pid.
 *
 * Blocks for the whole of it, of which the target pauses for image->pause_ns,
 * and up to 15 s for others who take an image of @pid.
 * When it is frozen in its pause (cgroups), that lasts until it is thawed.
 * On any failure, and if this process dies at any step, the target goes on
 * unharmed.  @ret_why gets the words when the answer is no.
 *
 * Returns 0, or
 *   -ESRCH   no such process
 *   -EPERM   not allowed, or already traced
 *   -EBUSY   it did not stop in time (a vfork under way), or does not run (it
 *            is frozen), or changes too much while it is looked at: try again
 *   -EAGAIN  no room for two more processes (pids.max, RLIMIT_NPROC), or others
 *            took images of it all the while: no use in another try at once
 *   -ECANCELED  the twin was killed before the snapshot was there, or nobody
 *            wants it any more
 *   -ETIMEDOUT  the kernel did not fork it in ERRAND_LIMIT_MS
 *   -EFBIG   more writable shared memory than shared_max_bytes, or RLIMIT_FSIZE
 *   -EOPNOTSUPP  something that cannot be imaged: a twin, device maps, ...
 *   -EIO     ptrace failed in a way that has no better name
 */
int snapshot_take(pid_t pid, const struct snapshot_options *options,
		  struct snapshot **ret_snapshot, struct refusal *ret_why);

/* Kill the twin, wait for it, free everything.  NULL is allowed. */
void snapshot_release(struct snapshot *snapshot);
