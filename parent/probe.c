/* SPDX-License-Identifier: MIT */
#include "parent/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_open(pid_t pid)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	if (open(path, O_RDWR | O_CLOEXEC) >= 0)
		return 0;
	if (errno == ENOENT || errno == ESRCH)
		return ESRCH;
	return errno == EPERM ? EACCES : errno;
}

/* Groups do not count in this check, so it is made without any. */
static int become(uid_t uid, gid_t gid)
{
	if (geteuid() == uid && getegid() == gid && uid != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return EPERM;
	return 0;
}

int probe_may_trace(pid_t pid, uid_t uid, gid_t gid)
{
	int status, error;
	pid_t child;

	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		error = become(uid, gid);
		_exit(error ? error : try_open(pid));
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EACCES;
}
