/* SPDX-License-Identifier: MIT */
/*
 * leftovers.h - what tests that were killed have left in /tmp
 *
 * A test makes its files there with its pid in their names, and removes those
 * of processes that are no more.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEFTOVERS_TMP "/tmp"

/* "/tmp/@what.PID.XXXXXX", for mkstemp() and mkdtemp(). */
static inline void leftovers_name(const char *what, size_t cap_bytes,
				  char *ret_path)
{
	(void)snprintf(ret_path, cap_bytes, LEFTOVERS_TMP "/%s.%d.XXXXXX", what,
		       (int)getpid());
}

/* Of a process that has ended. */
static inline bool leftovers_is_dead(const char *what, const char *name)
{
	const size_t len = strlen(what);
	char *end;
	long pid;

	if (strncmp(name, what, len) != 0 || name[len] != '.')
		return false;
	pid = strtol(name + len + 1, &end, 10);
	return pid > 0 && *end == '.' && kill((pid_t)pid, 0) < 0 &&
	       errno == ESRCH;
}

/* A file, or a folder of files. */
static inline void leftovers_remove_one(int tmp_fd, const char *name)
{
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (unlinkat(tmp_fd, name, 0) == 0)
		return;
	fd = openat(tmp_fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			(void)unlinkat(fd, entry->d_name, 0);
	if (dir)
		(void)closedir(dir);
	(void)unlinkat(tmp_fd, name, AT_REMOVEDIR);
}

/* Remove all "/tmp/@what.PID.*" of processes that have ended. */
static inline void leftovers_remove(const char *what)
{
	DIR *tmp = opendir(LEFTOVERS_TMP);
	struct dirent *entry;

	while (tmp && (entry = readdir(tmp)))
		if (leftovers_is_dead(what, entry->d_name))
			leftovers_remove_one(dirfd(tmp), entry->d_name);
	if (tmp)
		(void)closedir(tmp);
}
