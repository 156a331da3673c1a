/* SPDX-License-Identifier: MIT */
#include "loader/guard_inject.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

#define SYSCALL_BYTES 2
#define SYSCALL_INSN  0x050fu /* 0f 05 */
#define EVENT(status) ((status) >> 8)

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif
#define SYSCALL_STOP (SIGTRAP | 0x80)

static long trace(int request, pid_t tid, uintptr_t addr, uintptr_t data)
{
	return ptrace(request, tid, (void *)addr, (void *)data);
}

/*
 * With PTRACE_O_SUSPEND_SECCOMP a filter that the child set itself cannot
 * refuse what is injected; it needs CAP_SYS_ADMIN, and is done without where
 * that is missing.
 */
int guard_inject_seize(struct guard_inject *inject, pid_t tid)
{
	const uintptr_t options =
		PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL;

	memset(inject, 0, sizeof(*inject));
	inject->tid = tid;
	if (trace(PTRACE_SEIZE, tid, 0, options | PTRACE_O_SUSPEND_SECCOMP) &&
	    trace(PTRACE_SEIZE, tid, 0, options))
		return -errno;
	if (trace(PTRACE_INTERRUPT, tid, 0, 0))
		return -errno; /* it is dying: nothing is left to detach */
	return 0;
}

/* True when @tid is a process whose exit we, as its parent, must leave. */
static bool is_own_child(pid_t tid)
{
	FILE *file CLEANUP_FCLOSE = NULL;
	char path[40], line[128];
	int tgid = 0, ppid = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		(void)sscanf(line, "Tgid: %d", &tgid);
		if (sscanf(line, "PPid: %d", &ppid) == 1)
			break;
	}
	return tgid == tid && ppid == getpid();
}

/* A death that was seen: a tracer buries its tracees, but our own child's exit
 * status is for whoever started it. */
static void bury(pid_t tid)
{
	siginfo_t info;

	if (!is_own_child(tid))
		(void)waitid(P_PID, (id_t)tid, &info,
			     WEXITED | WNOHANG | __WALL);
}

/* Wait for a stop: the signal and, above it, the event.  -ESRCH: it is over. */
static int wait_stop(struct guard_inject *inject)
{
	siginfo_t info;
	int r;

	do {
		memset(&info, 0, sizeof(info));
		r = waitid(P_PID, (id_t)inject->tid, &info,
			   WEXITED | WSTOPPED | WNOWAIT | __WALL);
	} while (r && errno == EINTR);
	if (!r &&
	    (info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED)) {
		(void)waitid(P_PID, (id_t)inject->tid, &info,
			     WSTOPPED | __WALL);
		if (EVENT(info.si_status) != PTRACE_EVENT_EXIT)
			return info.si_status;
		/* About to die: its own parent sees the rest. */
		(void)trace(PTRACE_DETACH, inject->tid, 0, 0);
	} else if (!r) {
		bury(inject->tid);
	}
	inject->over = true;
	return -ESRCH;
}

/* What to hand on when a stop is left: a signal that was on its way. */
static int signal_of(int status)
{
	return EVENT(status) ? 0 : status & 0x7f;
}

static bool in_call(const struct guard_inject *inject,
		    const struct seccomp_data *data)
{
	const struct user_regs_struct *regs = &inject->regs;
	long text;

	if (regs->rip != data->instruction_pointer ||
	    regs->rdi != data->args[0] || regs->rsi != data->args[1] ||
	    regs->rdx != data->args[2])
		return false;
	errno = 0;
	text = trace(PTRACE_PEEKTEXT, inject->tid, regs->rip - SYSCALL_BYTES,
		     0);
	return !errno && (text & 0xffff) == SYSCALL_INSN;
}

static void let_go(struct guard_inject *inject)
{
	(void)trace(PTRACE_DETACH, inject->tid, 0, 0);
	inject->over = true;
}

int guard_inject_stop(struct guard_inject *inject,
		      const struct seccomp_data *data)
{
	uint64_t all = ~0ull;

	for (;;) {
		int status = wait_stop(inject);

		if (status < 0)
			return status;
		if (EVENT(status) == PTRACE_EVENT_STOP)
			break;
		(void)trace(PTRACE_CONT, inject->tid, 0, signal_of(status));
	}
	if (trace(PTRACE_GETREGS, inject->tid, 0, (uintptr_t)&inject->regs) ||
	    trace(PTRACE_GETSIGMASK, inject->tid, sizeof(all),
		  (uintptr_t)&inject->sigmask) ||
	    !in_call(inject, data) ||
	    trace(PTRACE_SETSIGMASK, inject->tid, sizeof(all),
		  (uintptr_t)&all)) {
		let_go(inject);
		return -ESRCH;
	}
	return 0;
}

/* Run to the next entry or exit of a system call. */
static int to_syscall_stop(struct guard_inject *inject)
{
	int signal = 0;

	for (;;) {
		int status;

		(void)trace(PTRACE_SYSCALL, inject->tid, 0, (uintptr_t)signal);
		status = wait_stop(inject);
		if (status < 0)
			return status;
		if (status == SYSCALL_STOP)
			return 0;
		signal = signal_of(status);
	}
}

int guard_inject_call(struct guard_inject *inject, long nr,
		      const uint64_t args[6], int64_t *ret_value)
{
	struct user_regs_struct regs = inject->regs;

	if (inject->over)
		return -ESRCH;
	regs.rip -= SYSCALL_BYTES;
	regs.rax = (uint64_t)nr;
	regs.orig_rax = ~0ull; /* no call to restart */
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = args[4];
	regs.r9 = args[5];
	(void)trace(PTRACE_SETREGS, inject->tid, 0, (uintptr_t)&regs);
	if (to_syscall_stop(inject) || to_syscall_stop(inject))
		return -ESRCH;
	if (trace(PTRACE_GETREGS, inject->tid, 0, (uintptr_t)&regs))
		return -ESRCH;
	*ret_value = (int64_t)regs.rax;
	return 0;
}

void guard_inject_finish(struct guard_inject *inject, int64_t result)
{
	if (inject->over)
		return;
	inject->regs.rax = (uint64_t)result;
	inject->regs.orig_rax = ~0ull;
	(void)trace(PTRACE_SETREGS, inject->tid, 0, (uintptr_t)&inject->regs);
	(void)trace(PTRACE_SETSIGMASK, inject->tid, sizeof(inject->sigmask),
		    (uintptr_t)&inject->sigmask);
	let_go(inject);
}
