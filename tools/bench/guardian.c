/* SPDX-License-Identifier: MIT */
/* guardian.c - see guardian.h */
#include "tools/bench/guardian.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <linux/capability.h>
#include <mntent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "common/standard.h"

#define WALK_FDS 8
#define PATIENCE 500 /* rounds of a hundredth of a second */

static int remove_one(const char *path, const struct stat *stat, int kind,
		      struct FTW *where)
{
	(void)stat;
	(void)kind;
	(void)where;
	(void)remove(path);
	return 0;
}

/* What is mounted below @dir: all readers fail, and it is out of sight. */
static void unmount(const char *dir)
{
	FILE *mounts CLEANUP_FCLOSE = setmntent("/proc/self/mounts", "re");
	size_t len = strlen(dir);
	struct mntent *entry;

	while (mounts && (entry = getmntent(mounts)))
		if (!strncmp(entry->mnt_dir, dir, len) &&
		    entry->mnt_dir[len] == '/')
			(void)umount2(entry->mnt_dir, MNT_FORCE | MNT_DETACH);
}

/* One round over the children, and those that have become ours. */
static bool kill_children(void)
{
	FILE *list CLEANUP_FCLOSE = fopen("/proc/thread-self/children", "re");
	bool any = false;
	int pid;

	while (list && fscanf(list, "%d", &pid) == 1) {
		(void)kill(pid, SIGKILL);
		any = true;
	}
	while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
		;
	return any;
}

static void clean_up(const char *dir)
{
	bool again = true;

	/* One that is killed may have mounted something a moment before. */
	for (int i = 0; again && i < PATIENCE; i++) {
		unmount(dir);
		again = kill_children();
		(void)usleep(again ? 10000 : 0);
	}
	unmount(dir);
	(void)nftw(dir, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Reap who has ended, orphans that became ours too: true for the worker. */
static bool reap(pid_t worker, int *ret_status)
{
	bool is_worker = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		if (pid == worker) {
			is_worker = true;
			*ret_status = status;
		}
	return is_worker;
}

/* Until the worker has ended: its status, or the signal that came to us. */
static int wait_for(pid_t worker, const sigset_t *signals)
{
	int status = 0;

	for (;;) {
		int signal = sigwaitinfo(signals, NULL);

		if (signal > 0 && signal != SIGCHLD) {
			(void)kill(worker, SIGKILL);
			(void)waitpid(worker, NULL, 0);
			say_error("the benchmark was ended by signal %d",
				  signal);
			return 128 + signal;
		}
		if (!reap(worker, &status))
			continue;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		say_error("the benchmark died of signal %d", WTERMSIG(status));
		return 1;
	}
}

/* Else fusermount3 would mount, and we could not unmount. */
static bool may_mount(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return !syscall(SYS_capget, &header, data) &&
	       data[0].effective & 1u << CAP_SYS_ADMIN;
}

int guardian_run(guardian_work_fn work, const void *arg)
{
	char dir[PATH_MAX];
	sigset_t signals, before;
	int status;
	pid_t worker;

	if (!may_mount()) {
		say_error(
			"this benchmark mounts images, and needs root for it "
			"(CAP_SYS_ADMIN)");
		return 1;
	}
	(void)snprintf(dir, sizeof(dir), "%s/mitosis-bench.XXXXXX",
		       getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(dir)) {
		say_error("%s: %s", dir, strerror(errno));
		return 1;
	}
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigaddset(&signals, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &signals, &before);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	worker = fork();
	if (!worker) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
		status = work(arg, dir);
		exit(standard_end() && !status ? 1 : status);
	}
	if (worker < 0)
		say_error("starting a process: %s", strerror(errno));
	status = worker < 0 ? 1 : wait_for(worker, &signals);
	clean_up(dir);
	return status;
}
