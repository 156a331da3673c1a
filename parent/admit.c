/* SPDX-License-Identifier: MIT */
#include "parent/admit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/parse.h"
#include "parent/tracer.h"

#define LAST_PID_PATH "/proc/sys/kernel/ns_last_pid"

/* What may have been on its way into the world when the look began. */
#define UNBORN_MAX 64
#define ROUNDS_MAX 64 /* of newcomers, each of which may have made more */

static bool has_program(pid_t pid)
{
	char path[32], target[8];

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return readlink(path, target, sizeof(target)) >= 0 || errno != ENOENT;
}

static bool shares_memory(pid_t pid, pid_t other)
{
	return syscall(SYS_kcmp, pid, other, KCMP_VM, 0, 0) == 0;
}

/* A process beside @pid that has the same memory, or 0. */
static pid_t find_sharer(pid_t pid)
{
	CLEANUP_CLOSEDIR DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		uint64_t other;

		if (parse_u64(entry->d_name, 1, INT32_MAX, &other) == 0 &&
		    (pid_t)other != pid && shares_memory(pid, (pid_t)other))
			return (pid_t)other;
	}
	return 0;
}

static int refuse_sharer(pid_t pid, pid_t sharer, struct refusal *why)
{
	struct procfs_status status;
	int32_t parent, tracer;

	if (procfs_status(sharer, 0, &status))
		return refuse(why, -EBUSY,
			      "process %d had its memory until now; try again",
			      sharer);
	parent = status.ppid;
	tracer = status.tracer_pid;
	procfs_status_free(&status);
	/* The helper of another image. */
	if (tracer && tracer != getpid() &&
	    tracer_refuse(sharer, tracer, why) == -EALREADY)
		return -EALREADY;
	if (parent == pid)
		return refuse(why, -EBUSY,
			      "its child %d still has its memory (a vfork "
			      "under way?); try again",
			      sharer);
	return refuse(why, -EOPNOTSUPP, "it shares its memory with process %d",
		      sharer);
}

static int check_sharers(pid_t pid, struct refusal *why)
{
	const pid_t sharer = find_sharer(pid);

	return sharer ? refuse_sharer(pid, sharer, why) : 0;
}

/* 0, or -errno of readlink(2). */
static int namespace_error(pid_t pid, const char *name)
{
	char path[48], target[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	return readlink(path, target, sizeof(target)) < 0 ? -errno : 0;
}

/* The kernel has no name for a pid namespace without an init. */
int admit_children(pid_t pid, struct refusal *why)
{
	if (namespace_error(pid, "pid_for_children") != -ENOENT ||
	    namespace_error(pid, "pid") != 0)
		return 0;
	return refuse(why, -EOPNOTSUPP,
		      "its next child will be the init of a pid namespace "
		      "(unshare, setns), which no twin can be; try again when "
		      "it has forked");
}

static int check_status(pid_t pid, const struct procfs_status *status,
			struct refusal *why)
{
	int rc;

	if (pid == getpid())
		return refuse(why, -EOPNOTSUPP,
			      "a process cannot take a snapshot of itself");
	if (status->tgid != pid)
		return refuse(why, -ESRCH, "%d is a thread of process %d", pid,
			      status->tgid);
	if (status->state == 'Z' || status->state == 'X')
		return refuse(why, -ESRCH,
			      "it has ended (zombie), or its main thread has");
	if (!has_program(pid))
		return refuse(why, -EOPNOTSUPP, "it is a kernel thread");
	if (status->tracer_pid)
		return tracer_refuse(pid, status->tracer_pid, why);
	if (status->ns_pid == 1)
		return refuse(why, -EOPNOTSUPP,
			      "it is the init of its pid namespace, and would "
			      "become the parent of its own twin");
	rc = admit_children(pid, why);
	return rc ? rc : check_sharers(pid, why);
}

int admit_check(pid_t pid, struct procfs_status *ret_status,
		struct refusal *why)
{
	struct procfs_status status;
	int rc = procfs_status(pid, 0, &status);

	if (rc == -ESRCH || rc == -ENOENT)
		return refuse(why, -ESRCH, "there is no such process");
	if (rc)
		return rc;
	rc = check_status(pid, &status, why);
	if (rc) {
		procfs_status_free(&status);
		return rc;
	}
	*ret_status = status;
	return 0;
}

/* The pid that the kernel gave last. */
static int last_pid(pid_t *ret_pid)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;
	int rc = io_slurp_at(AT_FDCWD, LAST_PID_PATH, 32, &text, &len);

	if (rc == 0)
		*ret_pid = (pid_t)strtol(text, NULL, 10);
	return rc;
}

/* As find_sharer(), of who got a pid behind @from, and up to @to. */
static pid_t find_newcomer(pid_t pid, pid_t from, pid_t to)
{
	if (to < from) /* the pids began anew */
		return find_sharer(pid);
	for (pid_t other = from + 1; other <= to; other++)
		if (other != pid && shares_memory(pid, other))
			return other;
	return 0;
}

/*
 * A sharer that makes another and ends may never be where the look is.  But
 * each one's pid is new: when the kernel gave none since, nobody is left.
 */
int admit_alone(pid_t pid, struct refusal *why)
{
	pid_t seen, last, sharer;
	int rc = last_pid(&seen);

	rc = rc ? rc : check_sharers(pid, why);
	if (rc)
		return rc;
	seen = seen > UNBORN_MAX ? seen - UNBORN_MAX : 0;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		rc = last_pid(&last);
		if (rc || last == seen)
			return rc;
		sharer = find_newcomer(pid, seen, last);
		if (sharer)
			return refuse_sharer(pid, sharer, why);
		seen = last;
	}
	return refuse(why, -EBUSY,
		      "processes are made here faster than they can be looked "
		      "at; try again");
}
