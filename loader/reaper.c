/* SPDX-License-Identifier: MIT */
/*
 * reaper.c - pid_namespaces(7), clone3(2), sigtimedwait(2), without libc
 */
#include "loader/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "loader/blob/blob.h"
#include "loader/blob/sys.h"
#include "loader/guard.h"
#include "loader/mounts.h"
#include "loader/nspace.h"
#include "loader/phases.h"
#include "loader/report.h"

#define SIGSET_BYTES 8
#define TICK_NS	     100000000 /* between looks, until it is told to go */
#define CONFIRM_MS   1000
#define SOON_NS	     20000000

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static void __attribute__((noreturn)) leave(int status)
{
	/* One thread: it is a group.  The guard may hold exit_group(2). */
	for (;;)
		(void)sys_call4(SYS_exit, (uint64_t)status, 0, 0, 0);
}

static void publish(struct reaper *reaper, enum reaper_state state)
{
	__atomic_store_n(&reaper->state, state, __ATOMIC_RELEASE);
	(void)sys_call4(SYS_futex, (uintptr_t)&reaper->state,
			FUTEX_WAKE_PRIVATE, 1, 0);
}

static bool has_ended(int pidfd, int wait_ms)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};

	return sys_call4(SYS_poll, (uintptr_t)&end, 1, (uint64_t)wait_ms, 0) ==
	       1;
}

static void set_all_signals_blocked(void)
{
	const uint64_t all = ~UINT64_C(0);

	(void)sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&all, 0,
			SIGSET_BYTES);
}

/* The parent's death is a signal that waits to be taken, not one that kills. */
static void watch_supervisor(const struct reaper *reaper)
{
	set_all_signals_blocked();
	(void)sys_call4(SYS_prctl, PR_SET_NAME, (uintptr_t) "mitosis-init", 0,
			0);
	(void)sys_call4(SYS_prctl, PR_SET_PDEATHSIG, REAPER_DEAD, 0, 0);
	if (has_ended(reaper->supervisor, 0))
		leave(1);
}

static int install_guard(struct reaper *reaper)
{
	int listener;

	if (!reaper->guarded)
		return 0;
	reaper->what = "the memory guard (seccomp)";
	reaper->hint = "; load with --memory=own";
	listener = guard_install(reaper->cookie, reaper->exits);
	if (listener < 0)
		return listener;
	reaper->listener = listener;
	reaper->hint = "";
	return 0;
}

/*
 * A world that is used again must be as it was made: poll(2) tells of the list
 * whether it has changed.  Ending a mount disturbs all CPUs, so it is done
 * once, ahead of any child.
 */
static int watch_mounts(struct reaper *reaper)
{
	long fd;

	mounts_forget_images(reaper->room, reaper->room_bytes);
	reaper->what = "opening the child's list of mounts";
	fd = sys_call4(SYS_openat, (uint64_t)AT_FDCWD,
		       (uintptr_t) "/proc/self/mounts", O_RDONLY | O_CLOEXEC,
		       0);
	reaper->mounts = fd < 0 ? -1 : (int)fd;
	return fd < 0 ? (int)fd : 0;
}

static void make_world(struct reaper *reaper)
{
	int error;

	watch_supervisor(reaper);
	nspace_default_signals();
	error = mounts_make(&reaper->what);
	if (!error && reaper->stays)
		error = watch_mounts(reaper);
	if (!error)
		error = install_guard(reaper);
	reaper->error = error;
	phases_mark(PHASE_WORLD);
	publish(reaper, error ? REAPER_FAILED : REAPER_READY);
	if (error)
		leave(1);
}

/* Wait for a signal: its number, or -errno. */
static int next_signal(const struct timespec *timeout)
{
	const uint64_t all = ~UINT64_C(0);

	return (int)sys_call4(SYS_rt_sigtimedwait, (uintptr_t)&all, 0,
			      (uintptr_t)timeout, SIGSET_BYTES);
}

/* From here on the supervisor lives, or its death will be a signal. */
static void wait_go(struct reaper *reaper)
{
	const struct timespec tick = {.tv_nsec = TICK_NS};

	while (!__atomic_load_n(&reaper->go, __ATOMIC_ACQUIRE)) {
		int signo = next_signal(reaper->stays ? NULL : &tick);

		if (has_ended(reaper->supervisor,
			      signo == REAPER_DEAD ? CONFIRM_MS : 0))
			leave(1);
	}
}

static long set_clocks(struct reaper *reaper)
{
	long fd, error;

	if (!reaper->clocks_bytes)
		return 0;
	reaper->what = "a time namespace, for an image of another host";
	error = sys_call4(SYS_unshare, CLONE_NEWTIME, 0, 0, 0);
	if (error)
		return error;
	reaper->what = "setting the clocks of another host";
	fd = sys_call4(SYS_openat, (uint64_t)AT_FDCWD,
		       (uintptr_t) "/proc/self/timens_offsets",
		       O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	error = sys_call4(SYS_write, (uint64_t)fd, (uintptr_t)reaper->clocks,
			  reaper->clocks_bytes, 0);
	(void)sys_call4(SYS_close, (uint64_t)fd, 0, 0, 0);
	return error < 0 ? error : 0;
}

static long clone_child(struct reaper *reaper)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&reaper->wanted,
		.set_tid_size = 1,
	};
	long pid;

	reaper->what = "making the child with its old pid";
	pid = sys_call4(SYS_clone3, (uintptr_t)&args, sizeof(args), 0, 0);
	if (pid == 0) {
		reaper->enter(reaper->data);
		leave(1);
	}
	return pid;
}

/* Not by CLONE_PIDFD, which would write to a page that was just copied. */
static long open_pidfd(struct reaper *reaper)
{
	long fd = sys_call4(SYS_pidfd_open, (uint64_t)reaper->child, 0, 0, 0);

	reaper->what = "opening a descriptor of the child";
	if (fd < 0)
		return fd;
	reaper->pidfd = (int)fd;
	return 0;
}

static void make_child(struct reaper *reaper)
{
	long result = set_clocks(reaper);

	if (!result)
		result = clone_child(reaper);
	if (result > 0) {
		reaper->child = (pid_t)result;
		result = open_pidfd(reaper);
	}
	reaper->error = (int)result;
	publish(reaper, result < 0 ? REAPER_FAILED : REAPER_CLONED);
	if (result < 0)
		leave(1);
}

static void report(const struct reaper *reaper, struct blob_report head)
{
	(void)sys_call4(SYS_write, (uint64_t)reaper->report, (uintptr_t)&head,
			sizeof(head), 0);
}

static void kill_world(void)
{
	(void)sys_call4(SYS_kill, (uint64_t)-1, SIGKILL, 0, 0);
	while (sys_call4(SYS_wait4, (uint64_t)-1, 0, __WALL, 0) != -ECHILD)
		;
}

/*
 * The last that is said of a child: how it ended, unless that was said before,
 * and that nothing is left; in one write.  The state is left as it is: the
 * supervisor may be about to look whether the child was cloned, and so much is
 * true.  Returns false: it is over.
 */
static bool be_empty(struct reaper *reaper, const int *status)
{
	const struct blob_report last[] = {
		status ? report_status(*status) : report_empty(),
		report_empty(),
	};

	kill_world();
	__atomic_store_n(&reaper->go, 0, __ATOMIC_RELEASE);
	(void)sys_call4(SYS_write, (uint64_t)reaper->report, (uintptr_t)last,
			status ? sizeof(last) : sizeof(last[0]), 0);
	return false;
}

/*
 * Take what has ended or stopped.  Returns false when nothing is left, or when
 * the child has ended and what else there is shall not stay.
 */
static bool reap(struct reaper *reaper, uint64_t options)
{
	for (;;) {
		struct rusage usage;
		int status;
		long pid =
			sys_call4(SYS_wait4, (uint64_t)-1, (uintptr_t)&status,
				  options | __WALL, (uintptr_t)&usage);

		if (pid == -ECHILD)
			return reaper->stays ? be_empty(reaper, NULL) : false;
		if (pid == 0)
			return true;
		if (pid != reaper->child)
			continue;
		reaper->usage = usage;
		if (!WIFSTOPPED(status) && reaper->stays && !reaper->linger)
			return be_empty(reaper, &status);
		report(reaper, report_status(status));
		if (!WIFSTOPPED(status) && !reaper->linger)
			return false;
	}
}

/* Nobody answers for their memory any more: let go when nobody uses it. */
static void __attribute__((noreturn)) end_world(void)
{
	kill_world();
	leave(1);
}

/* One turn; false when the child's world is over. */
static bool serve(struct reaper *reaper, const struct timespec *timeout)
{
	if (!reap(reaper, WNOHANG | WUNTRACED))
		return false;
	if (next_signal(timeout) == REAPER_DEAD &&
	    has_ended(reaper->supervisor, CONFIRM_MS))
		end_world();
	return true;
}

/* Until the child's world is over. */
static void serve_child(struct reaper *reaper)
{
	/* Ending a mount disturbs all CPUs: when the child is well on its way.
	 */
	const struct timespec soon = {.tv_nsec = SOON_NS};

	if (!reaper->stays) {
		if (!serve(reaper, &soon))
			return;
		mounts_forget_images(reaper->room, reaper->room_bytes);
	}
	while (serve(reaper, NULL))
		;
}

int reaper_main(void *data)
{
	struct reaper *reaper = data;

	make_world(reaper);
	for (;;) {
		wait_go(reaper);
		make_child(reaper);
		/* What kills the supervisor's whole process group misses us. */
		(void)sys_call4(SYS_setpgid, 0, 0, 0, 0);
		serve_child(reaper);
		if (!reaper->stays)
			leave(0);
	}
}
