/* SPDX-License-Identifier: MIT */
/* detach.c - see detach.h */
#include "tools/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"

static void __attribute__((noreturn)) wait_for_child(int fd)
{
	char ready = 0;

	_exit(io_read_all(fd, &ready, 1) || !ready ? EXIT_FAILURE
						   : EXIT_SUCCESS);
}

int detach_start(int *ret_fd)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0) {
		int error = -errno;

		(void)close(ends[0]);
		(void)close(ends[1]);
		return error;
	}
	if (pid) {
		(void)close(ends[1]);
		wait_for_child(ends[0]);
	}
	(void)close(ends[0]);
	(void)setsid();
	(void)chdir("/");
	*ret_fd = ends[1];
	return 0;
}

const char *detach_path(const char *path)
{
	CLEANUP_FREE char *here = NULL;
	char *whole;

	if (!path || path[0] == '/')
		return path;
	here = getcwd(NULL, 0);
	if (!here || asprintf(&whole, "%s/%s", here, path) < 0)
		return path;
	return whole;
}

void detach_done(int fd)
{
	const char ready = 1;
	int null;

	if (fd < 0)
		return;
	say_to_syslog();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int std = 0; null >= 0 && std <= STDERR_FILENO; std++)
		(void)dup2(null, std);
	if (null > STDERR_FILENO)
		(void)close(null);
	(void)io_write_all(fd, &ready, 1);
	(void)close(fd);
}
