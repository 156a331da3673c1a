/* SPDX-License-Identifier: MIT */
/*
 * admit.h - processes that are refused before anything of theirs is touched
 *
 * Above: snapshot.c.  Looks only at /proc and asks kcmp(2); nothing is stopped.
 * What can change before the pause is looked at again there.
 */
#pragma once

#include <sys/types.h>

#include "parent/procfs.h"
#include "parent/refusal.h"

/*
 * Returns 0 and *@ret_status, which is the caller's to procfs_status_free(), or
 * with words in @why
 *   -ESRCH   no such process, or only its corpse
 *   -EPERM   somebody traces it
 *   -EBUSY   it shares its memory with a child: a vfork under way
 *   -EOPNOTSUPP  a kernel thread; ourselves; the init of a pid namespace; one
 *                that shares its memory with another process
 *   -errno of /proc
 */
int admit_check(pid_t pid, struct procfs_status *ret_status,
		struct refusal *why);
