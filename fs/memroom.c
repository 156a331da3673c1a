/* SPDX-License-Identifier: MIT */
#include "fs/memroom.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cgroup.h"
#include "common/cleanup.h"
#include "common/io.h"
#include "common/mountinfo.h"

/* Bytes; a host has some thousand mounts. */
#define MOUNTINFO_MAX (256ul << 20)
#define MEMINFO_MAX   65536

/* What the files of a group are called. */
static const struct kind {
	const char *type; /* of the file system */
	enum cgroup_version version;
	const char *limit, *soft; /* beyond that it is slowed down; or NULL */
	const char *usage;
	const char *cache; /* in memory.stat: what can be dropped, for sure */
} kinds[] = {
	{"cgroup2", CGROUP_V2, "memory.max", "memory.high", "memory.current",
	 "inactive_file"},
	{"cgroup", CGROUP_V1, "memory.limit_in_bytes", NULL,
	 "memory.usage_in_bytes", "total_inactive_file"},
};

/* ---- groups ---- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What the file @name says, or @or. */
static uint64_t bytes_in(int dir, const char *name, uint64_t or)
{
	CLEANUP_FREE char *text = NULL;
	uint64_t bytes;
	size_t len;

	if (io_slurp_at(dir, name, CGROUP_TEXT_MAX, &text, &len) ||
	    cgroup_parse_bytes(text, &bytes))
		return or ;
	return bytes;
}

static uint64_t cache_in(int dir, const char *key)
{
	CLEANUP_FREE char *text = NULL;
	uint64_t bytes;
	size_t len;

	if (io_slurp_at(dir, "memory.stat", CGROUP_TEXT_MAX, &text, &len) ||
	    cgroup_parse_stat(text, key, &bytes))
		return 0;
	return bytes;
}

static uint64_t room_in(const char *path, const struct kind *kind)
{
	CLEANUP_CLOSE int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t limit, usage;

	if (dir < 0)
		return UINT64_MAX;
	limit = bytes_in(dir, kind->limit, UINT64_MAX);
	if (kind->soft)
		limit = smaller(limit, bytes_in(dir, kind->soft, UINT64_MAX));
	if (limit == UINT64_MAX)
		return limit;
	usage = bytes_in(dir, kind->usage, 0);
	usage -= smaller(usage, cache_in(dir, kind->cache));
	return limit - smaller(limit, usage);
}

/* In the group, and each above it up to the first that can be seen. */
static uint64_t room_up_from(char *dir, size_t top, const struct kind *kind)
{
	uint64_t room = room_in(dir, kind);

	while (strlen(dir) > top) {
		*strrchr(dir, '/') = '\0';
		room = smaller(room, room_in(dir, kind));
	}
	return room;
}

static uint64_t room_by(const struct mountinfo *mount, const char *groups,
			const struct kind *kind)
{
	char path[PATH_MAX], dir[PATH_MAX];
	int top;

	if (strcmp(mount->type, kind->type) != 0 ||
	    cgroup_memory_path(groups, kind->version, path))
		return UINT64_MAX;
	top = cgroup_folder(mount, path, dir);
	return top < 0 ? UINT64_MAX : room_up_from(dir, (size_t)top, kind);
}

/*
 * Of version 1 each controller may have its mount, and where the group of
 * "memory" has files of that name is where they are.
 */
uint64_t memroom_of_groups(const char *groups, char *mounts)
{
	uint64_t room = UINT64_MAX;
	char *save = NULL, *line;

	for (line = strtok_r(mounts, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct mountinfo mount;

		if (mountinfo_parse(line, &mount))
			continue;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			room = smaller(room,
				       room_by(&mount, groups, &kinds[i]));
	}
	return room;
}

/* ---- all of it ---- */

static uint64_t groups_room(void)
{
	CLEANUP_FREE char *groups = NULL, *mounts = NULL;
	size_t len;

	if (io_slurp_at(AT_FDCWD, "/proc/self/cgroup", CGROUP_TEXT_MAX, &groups,
			&len) ||
	    io_slurp_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX,
			&mounts, &len))
		return UINT64_MAX;
	return memroom_of_groups(groups, mounts);
}

static uint64_t host_room(void)
{
	CLEANUP_FREE char *text = NULL;
	const char *line;
	size_t len;
	uint64_t kb;

	if (io_slurp_at(AT_FDCWD, "/proc/meminfo", MEMINFO_MAX, &text, &len))
		return UINT64_MAX;
	line = strstr(text, "\nMemAvailable:");
	if (!line || sscanf(line, " MemAvailable: %15" SCNu64, &kb) != 1)
		return UINT64_MAX;
	return kb * 1024;
}

uint64_t memroom_bytes(void)
{
	return smaller(host_room(), groups_room());
}
