/* SPDX-License-Identifier: MIT */
#include "parent/seize.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "parent/limit.h"
#include "parent/pending.h"
#include "parent/procfs.h"
#include "parent/tracee.h"
#include "parent/tracer.h"

#define SEIZE_TRIES 4

#define BIT(signo) (1ull << ((signo)-1))

static struct seized_thread *find_among(const struct seized *seized,
					uint32_t nr, pid_t tid)
{
	for (uint32_t i = 0; i < nr; i++)
		if (seized->threads[i].tid == tid)
			return &seized->threads[i];
	return NULL;
}

struct seized_thread *seize_find(const struct seized *seized, pid_t tid)
{
	return find_among(seized, seized->nr, tid);
}

static struct seized_thread *add_thread(struct seized *seized, pid_t tid)
{
	struct seized_thread *thread;

	if (seized->nr == seized->cap) {
		uint32_t cap = seized->cap ? seized->cap * 2 : 64;

		thread = realloc(seized->threads, cap * sizeof(*thread));
		if (!thread)
			return NULL;
		seized->threads = thread;
		seized->cap = cap;
	}
	thread = &seized->threads[seized->nr++];
	*thread = (struct seized_thread){.tid = tid, .running = true};
	return thread;
}

/*
 * The thread before it, which is still on its way to a stop, is ours until we
 * die: no use in another try of this process.
 */
static int refuse_traced(const struct seized *seized, pid_t tid, pid_t tracer,
			 struct refusal *why)
{
	int rc = tracer_refuse(tid, tracer, why);

	return rc == -EALREADY && seized->nr ? -EBUSY : rc;
}

/*
 * Why the kernel would not let us: somebody else traces it, or we may not.  0
 * when @tid is about to be no more, which the kernel calls by the same name.
 */
static int refuse_seize(const struct seized *seized, pid_t tid, int error,
			struct refusal *why)
{
	struct procfs_status status;
	int32_t tracer = 0;
	char state = 0;
	int rc = procfs_status(seized->pid, tid, &status);

	if (rc == 0) {
		tracer = status.tracer_pid;
		state = status.state;
		procfs_status_free(&status);
	}
	if (tracer)
		return refuse_traced(seized, tid, tracer, why);
	if (state == 'Z' && tid == seized->pid)
		return refuse(why, -EOPNOTSUPP, "its main thread has ended");
	if (rc == -ESRCH || state == 'Z' || state == 'X')
		return 0;
	return refuse(why, error, "the kernel does not let us trace it (%s)",
		      strerror(-error));
}

/* Whose tracer has let go since is not forbidden. */
static int seize_hard(const struct seized *seized, pid_t tid)
{
	int rc = tracee_seize(tid, seized->options);

	for (int i = 1; i < SEIZE_TRIES && rc == -EPERM; i++) {
		if (tracer_of(tid))
			break;
		rc = tracee_seize(tid, seized->options);
	}
	return rc;
}

/* Ask @tid to stop.  0 also for one that is ending. */
static int seize_one(struct seized *seized, pid_t tid, struct refusal *why)
{
	int rc = seize_hard(seized, tid);

	if (rc == -ESRCH)
		return 0;
	if (rc)
		return refuse_seize(seized, tid, rc, why);
	if (!add_thread(seized, tid))
		return -ENOMEM;
	rc = tracee_interrupt(tid);
	return rc == -ESRCH ? 0 : rc;
}

static int seize_new(struct seized *seized, struct refusal *why)
{
	CLEANUP_FREE pid_t *tids = NULL;
	const uint32_t known = seized->nr;
	uint32_t cap = 0, nr, next = 0;
	int rc = procfs_tids(seized->task_fd, &tids, &cap, &nr);

	/* The kernel lists old threads first, in the order that they have here.
	 */
	for (uint32_t i = 0; rc == 0 && i < nr; i++) {
		if (next < known && seized->threads[next].tid == tids[i])
			next++;
		else if (!find_among(seized, known, tids[i]))
			rc = seize_one(seized, tids[i], why);
	}
	return rc;
}

/* @thread stopped: look whether for us. */
static int take_stop(struct seized *seized, struct seized_thread *thread,
		     struct tracee_stop stop, struct refusal *why)
{
	int rc;

	switch (stop.event) {
	case TRACEE_GONE:
		thread->gone = true;
		thread->running = false;
		return 0;
	case TRACEE_EXEC:
		thread->running = false;
		return refuse(why, -EBUSY,
			      "it was starting another program; try again");
	case TRACEE_SIGNAL:
		/*
		 * The thread takes its signal, and then stops for us; but this
		 * stop took the wish to stop away with it.
		 */
		rc = tracee_interrupt(thread->tid);
		return rc ? rc : tracee_deliver(thread->tid, stop.signo, false);
	case TRACEE_STOP:
		seized->stopped |= stop.signo != SIGTRAP;
		break;
	case TRACEE_SYSCALL:
		break;
	}
	thread->running = false;
	rc = tracee_get_regs(thread->tid, &thread->regs);
	return rc ? rc : tracee_get_sigmask(thread->tid, &thread->sigmask);
}

static int wait_one(struct seized *seized, struct seized_thread *thread,
		    const struct limit *limit, struct refusal *why)
{
	int rc = 0;

	while (thread->running && rc == 0) {
		struct tracee_stop stop;
		pid_t got = tracee_look(thread->tid, &stop);

		if (got == -EINTR && !limit_is_over(limit))
			continue;
		if (got == -EINTR)
			return refuse(why, -EBUSY,
				      "thread %d did not stop in time (a vfork "
				      "under way, or frozen?); try again",
				      thread->tid);
		if (got == -ECHILD) /* it became another tid by an exec */
			return refuse(why, -EBUSY,
				      "it was starting another program; try "
				      "again");
		rc = got < 0 ? got : take_stop(seized, thread, stop, why);
		if (rc == -ESRCH) /* killed; the next wait says so */
			rc = 0;
	}
	return rc;
}

static void drop_gone(struct seized *seized)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < seized->nr; i++)
		if (!seized->threads[i].gone)
			seized->threads[kept++] = seized->threads[i];
	seized->nr = kept;
}

/* The kernel counts threads in the links of /proc/PID/task. */
static bool is_complete(const struct seized *seized)
{
	struct stat task;

	return fstat(seized->task_fd, &task) == 0 &&
	       task.st_nlink == 2 + seized->nr;
}

/* Threads make threads: until all that there are have stopped. */
static int stop_all(struct seized *seized, const struct limit *limit,
		    struct refusal *why)
{
	int rc;

	do {
		rc = seize_new(seized, why);
		for (uint32_t i = 0; rc == 0 && i < seized->nr; i++)
			rc = wait_one(seized, &seized->threads[i], limit, why);
		drop_gone(seized);
		if (rc == 0 && seized->nr == 0)
			rc = -ESRCH;
		if (rc == 0 && limit_is_over(limit))
			rc = refuse(why, -EBUSY,
				    "it makes threads faster than they can be "
				    "stopped; try again");
	} while (rc == 0 && !is_complete(seized));
	if (rc == 0 && seized->threads[0].tid != seized->pid)
		rc = refuse(why, -EOPNOTSUPP, "its main thread has ended");
	return rc;
}

int seize_all(pid_t pid, unsigned long options, int timeout_ms,
	      struct seized *ret_seized, struct refusal *why)
{
	struct seized seized = {.pid = pid, .options = options};
	struct limit limit;
	char path[32];
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	seized.task_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (seized.task_fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	rc = limit_set(&limit, timeout_ms);
	if (rc == 0) {
		rc = stop_all(&seized, &limit, why);
		limit_clear(&limit);
	}
	if (rc) {
		seize_release(&seized);
		return rc;
	}
	*ret_seized = seized;
	return 0;
}

/* We may not lift it: that is bad only where there is one. */
static int refuse_seccomp(const struct seized *seized, struct refusal *why)
{
	for (uint32_t i = 0; i < seized->nr; i++) {
		const pid_t tid = seized->threads[i].tid;
		struct procfs_status status;
		uint32_t seccomp;
		int rc = procfs_status(seized->pid, tid, &status);

		if (rc == -ESRCH)
			continue;
		if (rc)
			return rc;
		seccomp = status.seccomp;
		procfs_status_free(&status);
		if (seccomp)
			return refuse(why, -EPERM,
				      "thread %d is under seccomp, and to "
				      "suspend that takes CAP_SYS_ADMIN and no "
				      "seccomp of our own",
				      tid);
	}
	return 0;
}

int seize_lift_seccomp(struct seized *seized, struct refusal *why)
{
	const unsigned long options =
		seized->options | PTRACE_O_SUSPEND_SECCOMP;

	for (uint32_t i = 0; i < seized->nr; i++) {
		int rc = tracee_set_options(seized->threads[i].tid, options);

		if (rc == -EPERM || rc == -EINVAL)
			return refuse_seccomp(seized, why);
		if (rc && rc != -ESRCH) /* killed meanwhile */
			return rc;
	}
	seized->options = options;
	return 0;
}

int seize_restore(struct seized_thread *thread)
{
	int rc = tracee_set_sigmask(thread->tid, thread->sigmask);

	return rc ? rc : tracee_set_regs(thread->tid, &thread->regs);
}

int seize_pass(struct seized_thread *thread, int signo, int done_signal)
{
	if (signo == SIGSTOP && done_signal != SIGCONT)
		return signo;
	if (signo == SIGSTOP)
		thread->stop_ns = io_monotonic_ns();
	if (signo == SIGCONT)
		thread->cont_ns = io_monotonic_ns();
	thread->held |= BIT(signo);
	return 0;
}

/*
 * Which of the two a later one has taken away: what is pending still is younger
 * than all that is held.
 */
static uint64_t outdone(const struct seized *seized)
{
	CLEANUP(pending_free) struct pending pending = {0};
	uint64_t set = 0, stop_ns = 0, cont_ns = 0;

	for (uint32_t i = 0; i < seized->nr; i++) {
		const struct seized_thread *thread = &seized->threads[i];

		stop_ns = thread->stop_ns > stop_ns ? thread->stop_ns : stop_ns;
		cont_ns = thread->cont_ns > cont_ns ? thread->cont_ns : cont_ns;
	}
	if (stop_ns)
		(void)pending_add(&pending, seized->pid, true, &set);
	if (set & BIT(SIGCONT) || cont_ns > stop_ns)
		return BIT(SIGSTOP);
	return stop_ns ? BIT(SIGCONT) : 0;
}

static void send_held(const struct seized *seized,
		      const struct seized_thread *thread, uint64_t but)
{
	const uint64_t held = thread->held & ~but;

	for (int signo = 1; held >> (signo - 1); signo++)
		if (held & BIT(signo))
			(void)syscall(SYS_tgkill, seized->pid, thread->tid,
				      signo);
}

void seize_release(struct seized *seized)
{
	const uint64_t but = outdone(seized);

	for (uint32_t i = 0; i < seized->nr; i++)
		if (!seized->threads[i].gone && !seized->threads[i].running)
			(void)tracee_detach(seized->threads[i].tid);
	for (uint32_t i = 0; i < seized->nr; i++)
		if (seized->threads[i].held)
			send_held(seized, &seized->threads[i], but);
	free(seized->threads);
	if (seized->task_fd >= 0)
		(void)close(seized->task_fd);
	*seized = (struct seized){.task_fd = -1};
}
