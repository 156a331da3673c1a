/* SPDX-License-Identifier: MIT */
/*
 * borrow.h - system calls in a twin or lender, which nobody else may bend
 *
 * As parent/inject.h, for processes that never run again by themselves: nothing
 * brings them back when we die, as they die too.  What runs is checked: users
 * of the target's uid may have the twin's memory open and change its code while
 * we use it, so a call counts only if at its entry the kernel shows the very
 * registers that were set.
 *
 * Threads: the tracing thread; the process is stopped, all its signals blocked.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

struct borrowed {
	pid_t pid;
	uint64_t syscall_ret; /* gadget.h */
};

/*
 * Make the call @nr with @args, of which there are six.  Blocks until it is
 * done.  *@ret_result is its result, -errno included.
 *
 * Returns 0, -ESRCH when the process ended, -EPERM when it set out to do
 * something else (it did not), or -EIO when it ran into a fault.
 */
int borrow_call(const struct borrowed *borrowed, long nr,
		const uint64_t args[6], int64_t *ret_result);

/*
 * Run from @regs until the process stops itself by SIGSTOP at @done_raddr.
 * Returns as borrow_call(); code that is run so must be beyond others' reach.
 */
int borrow_run(pid_t pid, const struct user_regs_struct *regs,
	       uint64_t done_raddr);
