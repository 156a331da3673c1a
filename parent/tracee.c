/* SPDX-License-Identifier: MIT */
#include "parent/tracee.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* The requests whose arguments are numbers: ptrace() takes them as pointers. */
static int call(enum __ptrace_request request, pid_t tid, uintptr_t addr,
		uintptr_t data)
{
	if (ptrace(request, tid, (void *)addr, (void *)data) < 0)
		return -errno;
	return 0;
}

int tracee_seize(pid_t tid, unsigned long options)
{
	return call(PTRACE_SEIZE, tid, 0, options);
}

int tracee_interrupt(pid_t tid)
{
	return call(PTRACE_INTERRUPT, tid, 0, 0);
}

int tracee_set_options(pid_t tid, unsigned long options)
{
	return call(PTRACE_SETOPTIONS, tid, 0, options);
}

int tracee_get_regs(pid_t tid, struct user_regs_struct *ret_regs)
{
	return call(PTRACE_GETREGS, tid, 0, (uintptr_t)ret_regs);
}

int tracee_set_regs(pid_t tid, const struct user_regs_struct *regs)
{
	return call(PTRACE_SETREGS, tid, 0, (uintptr_t)regs);
}

int tracee_get_sigmask(pid_t tid, uint64_t *ret_mask)
{
	return call(PTRACE_GETSIGMASK, tid, sizeof(*ret_mask),
		    (uintptr_t)ret_mask);
}

int tracee_set_sigmask(pid_t tid, uint64_t mask)
{
	return call(PTRACE_SETSIGMASK, tid, sizeof(mask), (uintptr_t)&mask);
}

int tracee_get_xstate(pid_t tid, void *buf, uint32_t cap_bytes,
		      uint32_t *ret_bytes)
{
	struct iovec area = {.iov_base = buf, .iov_len = cap_bytes};
	int rc = call(PTRACE_GETREGSET, tid, NT_X86_XSTATE, (uintptr_t)&area);

	if (rc)
		return rc;
	if (area.iov_len >= cap_bytes)
		return -E2BIG;
	*ret_bytes = (uint32_t)area.iov_len;
	return 0;
}

bool tracee_has_filter(pid_t tid)
{
	return ptrace(PTRACE_SECCOMP_GET_FILTER, tid, (void *)0, (void *)0) >=
		       0 ||
	       errno == EMEDIUMTYPE;
}

int tracee_resume(pid_t tid, bool syscall_stops)
{
	return tracee_deliver(tid, 0, syscall_stops);
}

int tracee_deliver(pid_t tid, int signo, bool syscall_stops)
{
	return call(syscall_stops ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0,
		    (uintptr_t)signo);
}

int tracee_detach(pid_t tid)
{
	return call(PTRACE_DETACH, tid, 0, 0);
}

static struct tracee_stop stop_of(const siginfo_t *info)
{
	struct tracee_stop stop = {.event = TRACEE_GONE};

	if (info->si_code != CLD_TRAPPED && info->si_code != CLD_STOPPED)
		return stop;
	stop.signo = info->si_status & 0xff;
	switch (info->si_status >> 8) {
	case 0:
		stop.event = stop.signo == (SIGTRAP | 0x80) ? TRACEE_SYSCALL
							    : TRACEE_SIGNAL;
		break;
	case PTRACE_EVENT_EXEC:
		stop.event = TRACEE_EXEC;
		break;
	default:
		stop.event = TRACEE_STOP;
	}
	return stop;
}

static pid_t wait_for(pid_t tid, int options, struct tracee_stop *ret_stop)
{
	siginfo_t info;

	if (waitid(tid < 0 ? P_ALL : P_PID, tid < 0 ? 0 : (id_t)tid, &info,
		   WEXITED | WSTOPPED | __WALL | __WNOTHREAD | options) < 0)
		return -errno;
	*ret_stop = stop_of(&info);
	return info.si_pid;
}

pid_t tracee_wait(pid_t tid, struct tracee_stop *ret_stop)
{
	return wait_for(tid, 0, ret_stop);
}

bool tracee_is_tkill(pid_t tid)
{
	siginfo_t info = {0};

	return call(PTRACE_GETSIGINFO, tid, 0, (uintptr_t)&info) == 0 &&
	       info.si_code == SI_TKILL;
}

/* Only of stops: one that was killed meanwhile has yet to be seen as gone. */
void tracee_swallow(pid_t tid)
{
	siginfo_t info;

	(void)waitid(P_PID, (id_t)tid, &info,
		     WSTOPPED | __WALL | __WNOTHREAD | WNOHANG);
}

/* What is waited for is the tracer's: the kernel drops it when that dies. */
pid_t tracee_look(pid_t tid, struct tracee_stop *ret_stop)
{
	pid_t got = wait_for(tid, WNOWAIT, ret_stop);

	if (got < 0)
		return got;
	if (ret_stop->event == TRACEE_GONE)
		return wait_for(got, 0, ret_stop);
	if (ret_stop->event != TRACEE_SIGNAL)
		tracee_swallow(got);
	return got;
}
