/* SPDX-License-Identifier: MIT */
/*
 * seize.h - stop every thread of a process, and let all go again
 *
 * Above: snapshot.c.  Below: tracee.h, limit.h.  Used by inject.h and graft.h, which
 * borrow stopped threads for errands and bring them back.
 *
 * Threads: the caller becomes the tracer.  A limit.h ends waits for threads that
 * do not stop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "parent/refusal.h"

struct seized_thread {
	pid_t tid;
	bool gone;    /* it ended; nothing is left to do for it */
	bool running; /* on an errand, not stopped */
	/*
	 * What the thread gets back.  The registers are those of its stop, but
	 * for the two corrections that must be made to them at once.
	 */
	struct user_regs_struct regs;
	uint64_t sigmask;
	uint64_t held; /* signals taken from it on an errand: bit 0 is 1 */
	uint64_t stop_ns, cont_ns; /* when the last of them was, or 0 */
};

struct seized {
	pid_t pid;
	int task_fd; /* /proc/PID/task */
	unsigned long options;
	bool stopped;		       /* as a group, by SIGSTOP or the like */
	struct seized_thread *threads; /* [0] is the leader */
	uint32_t nr, cap;
};

/*
 * Stop all threads of @pid.
 *
 * Blocks up to @timeout_ms.  On success the caller ends it with
 * seize_release(). On failure nothing is left stopped, and a thread that did
 * not stop is let go at the latest when the caller's process ends.
 *
 * Returns 0, or with words in @why
 *   -ESRCH   gone
 *   -EPERM   not allowed
 *   -EBUSY   did not stop in time, or started another program
 *   -EALREADY  a keeper takes another image of it
 *   -EOPNOTSUPP  its main thread has ended; it is the twin of an image
 *   -ENOMEM, -EIO
 */
int seize_all(pid_t pid, unsigned long options, int timeout_ms,
	      struct seized *ret_seized, struct refusal *why);

/*
 * Let no seccomp filter, nor the strict mode, judge the calls that stopped
 * threads make for us and the processes that they beget: until they are let go,
 * or for such a process until its options are others.
 *
 * Returns 0, also where we may not and no thread has any, or with words in @why
 *   -EPERM   a thread is under seccomp, and we have no CAP_SYS_ADMIN, or are
 *            under seccomp ourselves
 *   -ESRCH, -EIO, -EPROTO
 */
int seize_lift_seccomp(struct seized *seized, struct refusal *why);

/*
 * Give @thread, which is stopped inside the kernel's signal code, its signal
 * mask and registers back: that order, as only the mask first is safe to be
 * interrupted by our death.
 */
int seize_restore(struct seized_thread *thread);

/*
 * @thread, on an errand that ends with @done_signal and with all others
 * blocked, has stopped at @signo from outside.  Returns what it is to be
 * resumed with: SIGSTOP, so that a SIGCONT behind it ends that stop (the thread
 * runs its errand all the same, and is stopped when it is let go), or 0: @signo
 * is held until then, and lost if we die.  That is a @done_signal, which means
 * nothing to the target; or SIGSTOP with SIGCONT as @done_signal, which would
 * end it.  The last of SIGSTOP and SIGCONT takes the other away, as in the
 * kernel, whichever thread each was taken from.
 */
int seize_pass(struct seized_thread *thread, int signo, int done_signal);

/* Let all threads run on, and free.  Sends again what was held back. */
void seize_release(struct seized *seized);

/* The thread @tid, or NULL. */
struct seized_thread *seize_find(const struct seized *seized, pid_t tid);
