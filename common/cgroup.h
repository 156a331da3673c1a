/* SPDX-License-Identifier: MIT */
/*
 * cgroup.h - what the kernel's files say of a process's control groups
 * (cgroups(7)), checked
 *
 * No state, any thread; nothing here reads a file.
 */
#pragma once

#include <limits.h>
#include <stdint.h>

#include "common/mountinfo.h"

enum cgroup_version {
	CGROUP_V1,
	CGROUP_V2,
};

/* What each text may have of bytes at most. */
#define CGROUP_TEXT_MAX 65536

/*
 * The path, from the root of its hierarchy, of the group that accounts the
 * memory of whose /proc/PID/cgroup @text is, into @path, which has PATH_MAX
 * bytes: of version 2 its only group, of version 1 that of the controller
 * "memory".
 *
 * Returns 0; -ENOENT no such line; -ENAMETOOLONG; -EPROTO a path that does not
 * begin at the root.
 */
int cgroup_memory_path(const char *text, enum cgroup_version version,
		       char *path);

/*
 * Where the folder of the group @path is in @mount, a mount of its hierarchy,
 * into @dir, which has PATH_MAX bytes.  It ends with no '/'.
 *
 * Returns how many of its bytes are the mount's point: each folder from there
 * down to it is a group that has it.  -EXDEV when it is not in what is mounted
 * there, -ENAMETOOLONG.
 */
int cgroup_folder(const struct mountinfo *mount, const char *path, char *dir);

/* A limit or a usage, in bytes: UINT64_MAX for "max".  0 or -EPROTO. */
int cgroup_parse_bytes(const char *text, uint64_t *ret_bytes);

/* The value of @key in @text, of the kind of memory.stat.  0 or -EPROTO. */
int cgroup_parse_stat(const char *text, const char *key, uint64_t *ret_value);
