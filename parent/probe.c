/* SPDX-License-Identifier: MIT */
#include "parent/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
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

static bool has_powers(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3,
						  0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return true;
	return data[0].permitted || data[1].permitted;
}

/*
 * The kernel takes capabilities away when root becomes a user, and leaves them
 * when one user becomes another: a daemon that is a user with capabilities has
 * to become root first.
 */
int probe_become(uid_t uid, gid_t gid)
{
	if (geteuid() == uid && getegid() == gid && uid != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0)
		return EPERM;
	if (geteuid() != 0 && setresuid(0, 0, 0) < 0)
		return EPERM;
	if (setresuid(uid, uid, uid) < 0)
		return EPERM;
	return uid != 0 && has_powers() ? EPERM : 0;
}

int probe_may_trace(pid_t pid, uid_t uid, gid_t gid)
{
	int status, error;
	pid_t child;

	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		error = probe_become(uid, gid);
		_exit(error ? error : try_open(pid));
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EACCES;
}
