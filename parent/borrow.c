/* SPDX-License-Identifier: MIT */
#include "parent/borrow.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>

#include "parent/tracee.h"

#define SYSCALL_BYTES 2u /* of the instruction */

/*
 * Run to the next stop, at a system call too with @calls.  SIGSTOP, which
 * cannot be blocked, and the stops of SIGCONT are nothing to us; another signal
 * is.
 */
static int run(pid_t pid, bool calls, struct tracee_stop *ret_stop)
{
	pid_t got;
	int rc = tracee_resume(pid, calls);

	if (rc)
		return rc;
	do
		got = tracee_wait(pid, ret_stop);
	while (got == -EINTR);
	if (got < 0 || ret_stop->event == TRACEE_GONE)
		return -ESRCH;
	if (ret_stop->event == TRACEE_SIGNAL && ret_stop->signo != SIGSTOP)
		return -EIO;
	return 0;
}

/* Run to the next entry or end of a system call. */
static int run_to_call(pid_t pid)
{
	struct tracee_stop stop;
	int rc;

	do
		rc = run(pid, true, &stop);
	while (rc == 0 && stop.event != TRACEE_SYSCALL);
	return rc;
}

static struct user_regs_struct set_up(const struct borrowed *borrowed, long nr,
				      const uint64_t args[6],
				      struct user_regs_struct regs)
{
	regs.rip = borrowed->syscall_ret;
	regs.orig_rax = UINT64_MAX;
	regs.rax = (uint64_t)nr;
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = args[4];
	regs.r9 = args[5];
	return regs;
}

/* Are @now, at a call's entry, what follows from @set? */
static bool is_as_set(const struct user_regs_struct *now,
		      const struct user_regs_struct *set)
{
	return now->rip == set->rip + SYSCALL_BYTES &&
	       now->orig_rax == set->rax && now->rdi == set->rdi &&
	       now->rsi == set->rsi && now->rdx == set->rdx &&
	       now->r10 == set->r10 && now->r8 == set->r8 && now->r9 == set->r9;
}

/* At its entry: the kernel skips a call without a number. */
static int skip(pid_t pid, struct user_regs_struct *now)
{
	int rc;

	now->orig_rax = UINT64_MAX;
	rc = tracee_set_regs(pid, now);
	rc = rc ? rc : run_to_call(pid);
	return rc ? rc : -EPERM;
}

static int make_call(pid_t pid, const struct user_regs_struct *set,
		     int64_t *ret_result)
{
	struct user_regs_struct now;
	int rc = tracee_set_regs(pid, set);

	rc = rc ? rc : tracee_set_sigmask(pid, UINT64_MAX);
	rc = rc ? rc : run_to_call(pid);
	rc = rc ? rc : tracee_get_regs(pid, &now);
	if (rc == 0 && !is_as_set(&now, set))
		rc = skip(pid, &now);
	rc = rc ? rc : run_to_call(pid);
	rc = rc ? rc : tracee_get_regs(pid, &now);
	if (rc == 0)
		*ret_result = (int64_t)now.rax;
	return rc;
}

int borrow_call(const struct borrowed *borrowed, long nr,
		const uint64_t args[6], int64_t *ret_result)
{
	struct user_regs_struct own, set;
	int rc = tracee_get_regs(borrowed->pid, &own);
	int back;

	if (rc)
		return rc;
	set = set_up(borrowed, nr, args, own);
	rc = make_call(borrowed->pid, &set, ret_result);
	back = rc == -ESRCH ? 0 : tracee_set_regs(borrowed->pid, &own);
	return rc ? rc : back;
}

int borrow_run(pid_t pid, const struct user_regs_struct *regs,
	       uint64_t done_raddr)
{
	struct user_regs_struct own, now;
	struct tracee_stop stop;
	int rc = tracee_get_regs(pid, &own);

	rc = rc ? rc : tracee_set_regs(pid, regs);
	do {
		rc = rc ? rc : run(pid, false, &stop);
		rc = rc ? rc : tracee_get_regs(pid, &now);
	} while (rc == 0 && now.rip != done_raddr);
	return rc ? rc : tracee_set_regs(pid, &own);
}
