/* SPDX-License-Identifier: MIT */
/*
 * tracee.h - ptrace(2) for one thread, with -errno and one way to wait
 *
 * Above: seize.c, inject.c, graft.c, twin.c.  No state here.  All calls must
 * come from the tracing thread, on a stopped thread unless told otherwise; each
 * gives -ESRCH when the thread was killed meanwhile.
 * Source: ptrace(2), Linux kernel/ptrace.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

/* What a thread did, taken out of a wait status. */
enum tracee_event {
	TRACEE_GONE, /* ended */
	TRACEE_STOP, /* PTRACE_EVENT_STOP: interrupted, born, or group-stop */
	TRACEE_SYSCALL, /* at the entry or the exit of a system call */
	TRACEE_SIGNAL,	/* about to take a signal */
	TRACEE_EXEC,	/* started another program */
};

struct tracee_stop {
	enum tracee_event event;
	int signo; /* that it takes, or that began its group-stop, or SIGTRAP */
};

/* The options that every thread of a target gets. */
#define TRACEE_OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC)

/* PTRACE_SEIZE @tid, which runs.  -EPERM: not allowed, or traced already. */
int tracee_seize(pid_t tid, unsigned long options);

/* Ask a running @tid to stop; for a stopped one: to stop again when resumed. */
int tracee_interrupt(pid_t tid);

int tracee_set_options(pid_t tid, unsigned long options);

int tracee_get_regs(pid_t tid, struct user_regs_struct *ret_regs);
int tracee_set_regs(pid_t tid, const struct user_regs_struct *regs);

/* The mask that the thread itself believes to have. */
int tracee_get_sigmask(pid_t tid, uint64_t *ret_mask);
int tracee_set_sigmask(pid_t tid, uint64_t mask);

/*
 * The XSAVE area, uncompacted, into @cap_bytes at @buf (a multiple of 8).
 * -E2BIG when it may not have been whole.
 */
int tracee_get_xstate(pid_t tid, void *buf, uint32_t cap_bytes,
		      uint32_t *ret_bytes);

/*
 * Whether a seccomp filter judges @tid.  Only who may suspend it
 * (PTRACE_O_SUSPEND_SECCOMP) is told; strict mode is no filter.
 */
bool tracee_has_filter(pid_t tid);

/* Run on; with @syscall_stops also to the next edge of a system call. */
int tracee_resume(pid_t tid, bool syscall_stops);

/* The same, and take @signo, of the TRACEE_SIGNAL stop that it is in. */
int tracee_deliver(pid_t tid, int signo, bool syscall_stops);

/* Let go of it.  It runs, or stays in its group-stop. */
int tracee_detach(pid_t tid);

/*
 * Wait for @tid (or, with -1, for any thread that the caller traces or any
 * child that it forked), which runs.
 *
 * Blocks.  Returns the tid, -EINTR after a signal to the caller, or -ECHILD.
 */
pid_t tracee_wait(pid_t tid, struct tracee_stop *ret_stop);

/*
 * The same, for a thread that is to lose no signal: in a TRACEE_SIGNAL stop it
 * still takes its signal should we die.  So it is seen there again and again,
 * until it is resumed, let go, or tracee_swallow() has said that it need not.
 */
pid_t tracee_look(pid_t tid, struct tracee_stop *ret_stop);

/* Whether a thread sent the signal that @tid has stopped at, to one thread. */
bool tracee_is_tkill(pid_t tid);

/* The signal that @tid has stopped at is of our making, or none to keep. */
void tracee_swallow(pid_t tid);
