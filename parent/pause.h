/* SPDX-License-Identifier: MIT */
/*
 * pause.h - the time in which the target stands still, in its order
 *
 *   seize     all threads stop                        seize.h
 *   capture   registers, masks, pending signals       threads.h
 *   borrow    the leader maps the graft               inject.h
 *   errand    every thread answers; helper and twin   errand.h
 *             | meanwhile: clocks, files, shared memory
 *   give back the leader unmaps the graft; all go on
 *
 * Above: snapshot.c, which does all that can be done before and after.
 * Threads: the tracing thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "parent/fds.h"
#include "parent/gadget.h"
#include "parent/graft.h"
#include "parent/pending.h"
#include "parent/refusal.h"
#include "parent/shared.h"

struct pause_plan {
	pid_t pid;
	int mem_fd; /* /proc/PID/mem, read and write */
	int timeout_ms;
	int maker_fd; /* errand.h */
	bool seccomp; /* its main thread was under it before */
	uint64_t caught; /* signals not to be done with: bit 0 is 1 */
	struct gadgets gadgets;
	const struct image_vma *vmas;
	uint32_t nr_vmas;
	struct fds *fds;
	struct shared *shared;
};

struct pause_result {
	pid_t twin;	    /* twin_end() */
	unsigned long trace_options; /* that the twin has been born with */
	struct graft graft; /* in the twin still; graft_free() */
	struct pending pending;
	/* What the leader's frame was written over, zeros, in the twin too. */
	uint64_t zeros_raddr;
	size_t zeros_bytes;
	uint64_t target_pages; /* forkless.h: what the twin must have too */
	int shared_fd;
	struct image_run *shared_runs;
	uint32_t nr_shared_runs;
};

/*
 * Pause @plan->pid, and let it go.
 *
 * Fills the clocks, pause_ns, threads (but what answers.h adds) and timers of
 * @image.  Whatever this returns, the target runs on, and without a twin unless
 * it returns 0.  Errors as snapshot_take().
 */
int pause_run(const struct pause_plan *plan, struct image *image,
	      struct pause_result *ret_result, struct refusal *why);
