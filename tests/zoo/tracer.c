/* SPDX-License-Identifier: MIT */
/*
 * tracer.c - "tracer PID": be the tracer of a process, as a debugger is
 *
 * Says "ready" once it is, and stays until it is killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 2 || ptrace(PTRACE_SEIZE, atoi(argv[1]), NULL, NULL) < 0) {
		perror("tracer");
		return 1;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}
