/* SPDX-License-Identifier: MIT */
/*
 * fuzz_cgroup.c - any bytes as the files of control groups: what is found lies
 * in the mount
 *
 * The first byte, '0' to '2', says which: a number, a memory.stat, or the path
 * of a group, with a line of mountinfo before it that leads there.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int promise)
{
	if (!promise)
		abort();
}

static void try_bytes(char *text)
{
	uint64_t bytes;

	(void)cgroup_parse_bytes(text, &bytes);
}

static void try_stat(char *text)
{
	uint64_t value;

	(void)cgroup_parse_stat(text, "inactive_file", &value);
}

static void try_folder(const struct mountinfo *mount, const char *groups,
		       enum cgroup_version version)
{
	char path[PATH_MAX], dir[PATH_MAX];
	int top;

	if (cgroup_memory_path(groups, version, path))
		return;
	must(path[0] == '/' && strlen(path) < PATH_MAX);
	top = cgroup_folder(mount, path, dir);
	if (top < 0)
		return;
	must(strlen(dir) < PATH_MAX);
	must(strncmp(dir, mount->point, (size_t)top) == 0);
	must(dir[top] == '/' || !dir[top]);
	must(!strstr(dir + top, "/../"));
}

static void try_groups(char *text)
{
	char *groups = strchr(text, '\n');
	struct mountinfo mount;

	if (!groups)
		return;
	*groups++ = '\0';
	if (mountinfo_parse(text, &mount))
		return;
	try_folder(&mount, groups, CGROUP_V1);
	try_folder(&mount, groups, CGROUP_V2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(char *text) = {try_bytes, try_stat,
						    try_groups};
	/* Exactly as long, so that a read past the end is seen. */
	char *text;

	if (!size || data[0] < '0' || data[0] > '2')
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	tries[data[0] - '0'](text);
	free(text);
	return 0;
}
