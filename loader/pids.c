/* SPDX-License-Identifier: MIT */
#include "loader/pids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"

/* "Pid:\t1234" of /proc/self/fdinfo/N. */
pid_t pids_of(int pidfd)
{
	CLEANUP_FREE char *text = NULL;
	char path[48];
	const char *line;
	size_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	if (io_slurp_at(AT_FDCWD, path, 4096, &text, &len))
		return 0;
	line = strstr(text, "Pid:\t");
	return line ? (pid_t)strtol(line + 5, NULL, 10) : 0;
}

/* Written aside, then renamed. */
static int write_file(const char *path, const pid_t *pids, unsigned nr)
{
	char aside[4096];
	CLEANUP_FCLOSE FILE *file = NULL;

	if (snprintf(aside, sizeof(aside), "%s.%d", path, getpid()) >=
	    (int)sizeof(aside))
		return -ENAMETOOLONG;
	file = fopen(aside, "we");
	if (!file)
		return -errno;
	for (unsigned i = 0; i < nr; i++)
		(void)fprintf(file, "%d\n", pids[i]);
	if (fflush(file) != 0 || rename(aside, path) < 0) {
		(void)unlink(aside);
		return -errno;
	}
	return 0;
}

int pids_write(const char *path, const pid_t *pids, unsigned nr,
	       struct why *why)
{
	int error = write_file(path, pids, nr);

	return error ? why_set(why, error, "--pid-file=%s: %s", path,
			       strerror(-error))
		     : 0;
}
