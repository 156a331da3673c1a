/* SPDX-License-Identifier: MIT */
/*
 * procpath.h - paths of the image that lead to a process in a procfs
 *
 * /proc/1234/mem of a process 1234 means "mine", whatever its child is called:
 * opened by that path, the child would have the living parent's.
 */
#pragma once

#include <limits.h>

#include "common/image.h"

#define PROCPATH_BYTES (PATH_MAX + sizeof("thread-self"))

/*
 * What @path of @image is for this process, which is or becomes its child:
 * *@ret_path is @path, or in @room (PROCPATH_BYTES) that of the same file of
 * this process, by a thread that is the only one.  Looks at the file system,
 * but opens nothing of any process.
 *
 * Returns 0, or -EOPNOTSUPP: it is another process's, or a thread's that this
 * one does not have yet.  Then *@ret_reason says so, to be put behind the path.
 */
int procpath_own(const struct image *image, const char *path, char *room,
		 const char **ret_path, const char **ret_reason);
