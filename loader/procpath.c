/* SPDX-License-Identifier: MIT */
/*
 * procpath.c - the first number below the root of a procfs names a process
 */
#include "loader/procpath.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define PROC_ROOT_INODE 1 /* of each procfs: the kernel's PROC_ROOT_INO */

/* How many bytes @text has up to its next slash. */
static size_t name_bytes(const char *text)
{
	return strcspn(text, "/");
}

/* The number that the first name of @text is, or 0. */
static int32_t number_at(const char *text)
{
	size_t bytes = name_bytes(text);

	if (!bytes || bytes > 9 || strspn(text, "0123456789") < bytes)
		return 0;
	return (int32_t)strtol(text, NULL, 10);
}

static bool is_procfs_root(const char *path)
{
	struct statfs fs;
	struct stat dir;

	return statfs(path, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
	       stat(path, &dir) == 0 && dir.st_ino == PROC_ROOT_INODE;
}

/*
 * Where in @path the number of a process is, or NULL: a mount may lie anywhere,
 * so each directory that has a number in it is looked at.  @room: for its path.
 */
static const char *process_in(const char *path, char *room)
{
	for (const char *at = path; (at = strchr(at, '/')); at++) {
		size_t bytes = (size_t)(at - path);

		if (!number_at(at + 1) || !bytes || bytes >= PATH_MAX)
			continue;
		memcpy(room, path, bytes);
		room[bytes] = '\0';
		if (is_procfs_root(room))
			return at + 1;
	}
	return NULL;
}

/*
 * The number is of the namespace of that procfs: the process's own, or, for one
 * that has a pid namespace and sees the /proc outside, its host's.
 */
static bool is_own(const struct image *image, int32_t number)
{
	return number == image->pid || number == image->host_pid;
}

static int refuse(const char *reason, const char **ret_reason)
{
	*ret_reason = reason;
	return -EOPNOTSUPP;
}

int procpath_own(const struct image *image, const char *path, char *room,
		 const char **ret_path, const char **ret_reason)
{
	const char *const threads =
		"belongs to a thread, which the child has "
		"only later";
	const char *at = process_in(path, room), *rest, *self = "self";
	int32_t number = at ? number_at(at) : 0;

	*ret_path = path;
	if (!at)
		return 0;
	if (!is_own(image, number))
		return refuse(image_has_thread(image, number)
				      ? threads
				      : "belongs to another process",
			      ret_reason);
	rest = at + name_bytes(at);
	if (!strncmp(rest, "/task/", 6)) {
		if (number_at(rest + 6) != number)
			return refuse(threads, ret_reason);
		rest += 6 + name_bytes(rest + 6);
		self = "thread-self";
	}
	(void)snprintf(room, PROCPATH_BYTES, "%.*s%s%s", (int)(at - path), path,
		       self, rest);
	*ret_path = room;
	return 0;
}
