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
	return call(syscall_stops ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0, 0);
}

int tracee_deliver(pid_t tid, int signo)
{
	return call(PTRACE_CONT, tid, 0, (uintptr_t)signo);
}

int tracee_detach(pid_t tid)
{
	return call(PTRACE_DETACH, tid, 0, 0);
}

static struct tracee_stop stop_of(int status)
{
	struct tracee_stop stop = {.event = TRACEE_GONE};

	if (!WIFSTOPPED(status))
		return stop;
	stop.signo = WSTOPSIG(status);
	switch (status >> 16) {
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

pid_t tracee_wait(pid_t tid, struct tracee_stop *ret_stop)
{
	int status;
	pid_t got = waitpid(tid, &status, __WALL | __WNOTHREAD);

	if (got < 0)
		return -errno;
	*ret_stop = stop_of(status);
	return got;
}
