/* SPDX-License-Identifier: MIT */
/*
 * errand.h - all threads through the graft at once, and the twin out of it
 *
 *   leader   questions, clone helper, wait for it ............. done
 *   helper              born, close files, clone twin, exit
 *   twin                                   born stopped: kept
 *   others   questions ... done
 *
 * "Done" is a signal that the thread sends itself, and that the target neither
 * catches nor waits for: stopping at its delivery costs one round trip.
 * Threads: the tracing thread.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "parent/graft.h"
#include "parent/seize.h"

struct errand {
	struct seized *seized;
	struct graft *graft;
	int done_signal;
	pid_t helper, twin; /* as we see them; 0 while not born */
	bool helper_ended;
	uint32_t away; /* threads not yet back */
	int error;     /* the first thing that went wrong */
	int maker_fd;  /* ends when nobody wants the twin; 0: no such */
	uint64_t deadline_ns; /* of the wait under way */
};

/*
 * So long the kernel may take for one part of the errand, the fork most of all.
 * Behind that, and when nobody wants the twin any more, the errand is called
 * off: the helper is killed, and the threads come back without a twin.
 */
#define ERRAND_LIMIT_MS 30000

/*
 * The signal to be done with: one that @caught (bit 0 is signal 1) does not
 * hold, best one that no thread blocks; 0 when there is none.  SIGCONT is the
 * last choice, and none for a process that has stopped: a SIGSTOP that comes in
 * the very moment in which a thread sends itself SIGCONT is lost, and so is one
 * that another thread takes when a SIGCONT from outside has just come.
 */
int errand_choose_signal(const struct seized *seized, uint64_t caught,
			 uint64_t pending);

/* Send all threads off.  What goes wrong shows at errand_finish(). */
void errand_start(struct errand *errand);

/* Wait until the helper is at its work, so that the caller has time to spare.
 */
void errand_wait_helper(struct errand *errand);

/*
 * Wait for all, and read the answers through @mem_fd (/proc/PID/mem).  Then
 * every thread but the leader has its state back; the leader still has its
 * signals blocked.  Whose threads the kernel does not let run (frozen by their
 * cgroup) is waited for, called off or not, until they do.
 *
 * Returns 0 with errand->twin stopped, and alive when it was last looked at, or
 *   -ENOTSUP  the target is a subreaper
 *   -ENOMEM   the graft could not be made writable: the leader's slot is empty
 *   -EAGAIN, -ENOMEM, -errno of clone(2) for the helper or the twin
 *   -ECANCELED  the twin or the helper was killed, or nobody wants it any more
 *   -ETIMEDOUT  it took longer than ERRAND_LIMIT_MS
 *   -ESRCH    the target was killed
 *   -EIO      a thread ran into a fault
 */
int errand_finish(struct errand *errand, int mem_fd);
