/* SPDX-License-Identifier: MIT */
/*
 * init.c - the supervisor's side: one shared mapping, a futex and a signal
 */
#include "loader/init.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "loader/phases.h"
#include "loader/reaper.h"

/*
 * One mapping.  The child begins on this stack, too: libc's largest frames fit
 * many times.  What is touched at once shares a page.
 *
 *   ROOM | ... <- stack | struct init
 */
#define STACK_BYTES ((size_t)256 << 10)
#define ROOM_BYTES  ((size_t)32 << 10)
#define LOOK_NS	    20000000 /* between looks whether it still lives */

struct init {
	struct reaper reaper;
	pid_t pid;
	char *memory; /* STACK_BYTES, with this at its end */
} __attribute__((aligned(64)));

static int start(struct init *init)
{
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (self < 0)
		return -errno;
	init->reaper.supervisor = self;
	init->pid = clone(reaper_main, init,
			  CLONE_VM | CLONE_FILES | CLONE_NEWPID | SIGCHLD,
			  &init->reaper);
	return init->pid < 0 ? -errno : 0;
}

static int start_error(int error, struct why *why)
{
	if (error == -EPERM)
		return why_set(why, error,
			       "a pid namespace needs CAP_SYS_ADMIN: load as "
			       "root, or with --pid=new");
	return why_set(why, error, "making a process: %s", strerror(-error));
}

int init_begin(const struct init_options *options, struct init **ret_init,
	       struct why *why)
{
	char *memory = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct init *init;
	int error;

	if (memory == MAP_FAILED)
		return start_error(-errno, why);
	init = (struct init *)(memory + STACK_BYTES) - 1;
	*init = (struct init){
		.reaper =
			{
				.supervisor = -1,
				.guarded = options->guarded,
				.stays = options->stays,
				.exits = options->exits,
				.cookie = options->cookie,
				.room = memory,
				.room_bytes = ROOM_BYTES,
				.hint = "",
				.listener = -1,
				.pidfd = -1,
				.mounts = -1,
				.report = -1,
			},
		.memory = memory,
	};
	error = start(init);
	if (error) {
		init_free(init);
		return start_error(error, why);
	}
	phases_mark(PHASE_BEGUN);
	*ret_init = init;
	return 0;
}

pid_t init_pid(const struct init *init)
{
	return init->pid;
}

static bool has_ended(const struct init *init)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)init->pid, &info,
		      WEXITED | WNOHANG | WNOWAIT) < 0 ||
	       info.si_pid;
}

/* Until its state is past @state.  0, or -errno with words. */
static int wait_past(struct init *init, uint32_t state, struct why *why)
{
	const struct timespec look = {.tv_nsec = LOOK_NS};
	struct reaper *reaper = &init->reaper;
	bool ended = false;

	while (__atomic_load_n(&reaper->state, __ATOMIC_ACQUIRE) == state) {
		if (ended)
			return why_set(why, -ECHILD,
				       "the child's init process was killed");
		if (syscall(SYS_futex, &reaper->state, FUTEX_WAIT_PRIVATE,
			    state, &look) < 0 &&
		    errno == ETIMEDOUT)
			ended = has_ended(init);
	}
	if (reaper->state != REAPER_FAILED)
		return 0;
	return why_set(why, reaper->error, "%s: %s%s", reaper->what,
		       strerror(-reaper->error), reaper->hint);
}

int init_ready(struct init *init, int *ret_listener, struct why *why)
{
	int error = wait_past(init, REAPER_MAKING, why);

	if (error)
		return error;
	*ret_listener = init->reaper.listener;
	init->reaper.listener = -1;
	return 0;
}

void init_go(struct init *init, const struct init_child *child)
{
	const struct rlimit nofile = {child->nofile_max, child->nofile_max};
	struct reaper *reaper = &init->reaper;

	if (child->nofile_max)
		(void)prlimit(init->pid, RLIMIT_NOFILE, &nofile, NULL);
	reaper->wanted = child->pid;
	reaper->linger = child->linger;
	reaper->report = child->report;
	reaper->clocks_bytes = strnlen(child->clocks, REAPER_CLOCKS_MAX);
	memcpy(reaper->clocks, child->clocks, reaper->clocks_bytes);
	reaper->enter = child->enter;
	reaper->data = child->data;
	phases_mark(PHASE_GO);
	reaper->state = REAPER_READY; /* it may have made a child before */
	__atomic_store_n(&reaper->go, 1, __ATOMIC_RELEASE);
	(void)kill(init->pid, REAPER_GO);
}

int init_settle(struct init *init, int *ret_pidfd, struct why *why)
{
	int error = wait_past(init, REAPER_READY, why);

	if (error)
		return error;
	*ret_pidfd = init->reaper.pidfd;
	init->reaper.pidfd = -1;
	return 0;
}

bool init_has_changed(const struct init *init)
{
	struct pollfd mounts = {.fd = init->reaper.mounts, .events = POLLPRI};

	return poll(&mounts, 1, 0) != 0;
}

void init_usage(const struct init *init, struct rusage *ret_usage)
{
	*ret_usage = init->reaper.usage;
}

void init_free(struct init *init)
{
	if (!init)
		return;
	cleanup_close(&init->reaper.supervisor);
	cleanup_close(&init->reaper.listener);
	cleanup_close(&init->reaper.pidfd);
	cleanup_close(&init->reaper.mounts);
	(void)munmap(init->memory, STACK_BYTES);
}

void init_abandon(struct init *init)
{
	if (!init)
		return;
	(void)kill(init->pid, SIGKILL);
	(void)waitpid(init->pid, NULL, 0);
	init_free(init);
}
