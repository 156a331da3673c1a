/* SPDX-License-Identifier: MIT */
/*
 * victim.h - a forked child that sets itself up, stops, and is looked at
 *
 * It dies with the test (PR_SET_PDEATHSIG), so nothing is left behind.
 */
#pragma once

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run @setup(@arg) in a child that then stops; the pid once it has stopped. */
static inline pid_t victim_start(void (*setup)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		setup(arg);
		for (;;)
			(void)raise(SIGSTOP);
	}
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) != pid ||
	    !WIFSTOPPED(status))
		return -1;
	return pid;
}

static inline void victim_end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* Let it run from one stop to the next. */
static inline void victim_step(pid_t pid)
{
	int status;

	(void)kill(pid, SIGCONT);
	(void)waitpid(pid, &status, WUNTRACED);
}
