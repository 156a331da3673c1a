/* SPDX-License-Identifier: MIT */
/*
 * access.h - which mapped files may this user read?  The kernel says
 *
 * As parent/probe.h, for files: a short-lived child gets hold of each file
 * through the twin's areas (O_PATH: no right to read it), becomes the user, and
 * asks for read permission on what it holds.  No path is walked as the user:
 * that the process has the file mapped is way enough.
 */
#pragma once

#include <stdbool.h>

#include "parent/mapped.h"

/* Is it about ourselves?  Root, and who asks for himself, are asked as we are:
 * with access_may_read(), and without a fork. */
bool access_is_ours(const struct mapped_ask *ask);

/* May we ourselves read the open file @fd, which may be an O_PATH one? */
bool access_may_read(int fd);

/*
 * Another user: ask for the files of the @nr @areas.  *@ret_may, the caller's
 * to free(), says yes or no for each; no when it cannot be told.  Blocks for
 * disks and forks. Returns 0 or -ENOMEM.
 */
int access_ask(const struct mapped_ask *ask, const struct image_vma **areas,
	       uint32_t nr, bool **ret_may);
