/* SPDX-License-Identifier: MIT */
/*
 * admit.h - processes that are refused before anything of theirs is touched
 *
 * Above: snapshot.c, pause.c.  Looks only at /proc and asks kcmp(2); nothing is
 * stopped.  What can change before the pause is looked at again there.
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
 *   -EALREADY  a keeper does, for another image
 *   -EBUSY   it shares its memory with a child: a vfork under way
 *   -EOPNOTSUPP  a kernel thread; ourselves; the twin of an image; the init
 *                of a pid namespace; one whose next child will be that; one
 *                that shares its memory with another process
 *   -errno of /proc
 */
int admit_check(pid_t pid, struct procfs_status *ret_status,
		struct refusal *why);

/*
 * Whether what the main thread of @pid forks next is not the init of a pid
 * namespace.  Our helper would be that, and with its end the twin is killed and
 * the target can never fork again.
 *
 * Returns 0, also where that cannot be seen, or with words in @why -EOPNOTSUPP.
 */
int admit_children(pid_t pid, struct refusal *why);

/*
 * Whether @pid, all of whose threads stand still, has its memory for itself:
 * nobody else can run in it, nor beget who does, until they go on.
 *
 * Takes a few us for each process of the host: for where it must be known.
 * Returns 0, or with words in @why -EALREADY, -EBUSY or -EOPNOTSUPP as
 * admit_check(), -EBUSY also when new processes come without end; or -errno of
 * /proc.
 */
int admit_alone(pid_t pid, struct refusal *why);
