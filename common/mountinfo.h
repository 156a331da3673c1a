/* SPDX-License-Identifier: MIT */
/*
 * mountinfo.h - a line of /proc/PID/mountinfo (proc(5)), checked
 */
#pragma once

#include <stdint.h>

struct mountinfo {
	uint64_t id; /* as statx(2) tells it: STATX_MNT_ID */
	uint32_t major, minor;
	const char *root;  /* within its file system */
	const char *point; /* where it is mounted, without escapes */
	const char *type;  /* "fuse.mitosisfs"; "" when not told */
};

/*
 * Take @line, without its newline, apart: it is changed, and *@ret_mount points
 * into it.
 *
 * Returns 0, or -EPROTO when it is no such line: a number that is none, a field
 * that is missing, a path that is not absolute.
 */
int mountinfo_parse(char *line, struct mountinfo *ret_mount);
