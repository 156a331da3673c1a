/* SPDX-License-Identifier: MIT */
/*
 * target.h - a process of a test's own, to be imaged
 *
 * Include it behind cmocka: it asserts.
 */
#pragma once

#include <stdlib.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

/*
 * A child that runs @body, which says on the pipe that it is ready.  It dies
 * with the test; the caller waits for it.
 */
static inline pid_t start(void (*body)(int ready_fd))
{
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		body(fds[1]);
		_exit(0);
	}
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	(void)close(fds[0]);
	return pid;
}
