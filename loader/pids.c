/* SPDX-License-Identifier: MIT */
#include "loader/pids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Where it is written before it is renamed. */
static int open_aside(const char *path, char aside[4096], FILE **ret)
{
	struct stat there;

	if (!*path) /* what is aside of it could be written */
		return -ENOENT;
	if (snprintf(aside, 4096, "%s.%d", path, getpid()) >= 4096)
		return -ENAMETOOLONG;
	if (stat(path, &there) == 0 && S_ISDIR(there.st_mode))
		return -EISDIR;
	*ret = fopen(aside, "we");
	return *ret ? 0 : -errno;
}

static int write_file(const char *path, const pid_t *pids, unsigned nr)
{
	char aside[4096];
	CLEANUP_FCLOSE FILE *file = NULL;
	int error = open_aside(path, aside, &file);

	if (error)
		return error;
	for (unsigned i = 0; i < nr; i++)
		(void)fprintf(file, "%d\n", pids[i]);
	if (fflush(file) != 0 || rename(aside, path) < 0) {
		error = -errno;
		(void)unlink(aside);
	}
	return error;
}

static int tell(const char *path, int error, struct why *why)
{
	return error ? why_set(why, error, "--pid-file=%s: %s", path,
			       strerror(-error))
		     : 0;
}

int pids_may_write(const char *path, struct why *why)
{
	char aside[4096];
	CLEANUP_FCLOSE FILE *file = NULL;
	int error = open_aside(path, aside, &file);

	if (!error)
		(void)unlink(aside);
	return tell(path, error, why);
}

int pids_write(const char *path, const pid_t *pids, unsigned nr,
	       struct why *why)
{
	return tell(path, write_file(path, pids, nr), why);
}
