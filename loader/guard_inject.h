/* SPDX-License-Identifier: MIT */
/*
 * guard_inject.h - make a thread that sits in a system call make others first
 *
 *     thread                        supervisor
 *     madvise, waiting              seize: PTRACE_SEIZE + PTRACE_INTERRUPT
 *                                   (then it is answered)
 *     traps before user mode        stop: waits for that trap
 *     runs what it is told          call, call, ...
 *     returns @result               finish: registers, mask, PTRACE_DETACH
 *
 * The trap is pending before the answer wakes the thread, so it never reaches
 * user mode in between (ptrace(2), "PTRACE_INTERRUPT").  While it is held all
 * its signals are blocked; SIGSTOP and SIGKILL do what they always do.
 *
 * Above: guard_call, guard_drop, guard_remap.  All calls from one thread, which
 * is the tracer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include <linux/seccomp.h>

struct guard_inject {
	pid_t tid;
	bool over; /* it died or was let go */
	uint64_t sigmask;
	struct user_regs_struct regs; /* as it must go on, but for rax */
};

/*
 * Take @tid as a tracee that will stop at its next way to user mode.  0, or
 * -errno and nothing was done: -EPERM when another tracer has it or we may not.
 */
int guard_inject_seize(struct guard_inject *inject, pid_t tid);

/*
 * Wait for the stop, and check that the thread is still in the call @data.
 * Blocks until it stops or dies.  0, or -ESRCH when it died or a signal handler
 * has taken it out of the call: then it is let go as it is.
 */
int guard_inject_stop(struct guard_inject *inject,
		      const struct seccomp_data *data);

/*
 * Let the thread make the call @nr with @args.  0 and its value, which is
 * -errno when the call failed; -ESRCH when the thread died.
 */
int guard_inject_call(struct guard_inject *inject, long nr,
		      const uint64_t args[6], int64_t *ret_value);

/* Let the thread go on with @result as the value of its own call.  Nothing
 * happens when it is over. */
void guard_inject_finish(struct guard_inject *inject, int64_t result);
