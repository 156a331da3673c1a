/* SPDX-License-Identifier: MIT */
/*
 * probe.h - may this user look into that process?  The kernel says
 *
 * A short-lived child becomes the user and opens /proc/PID/mem, where the
 * kernel makes the check of ptrace(2) (PTRACE_MODE_ATTACH: identity, dumpable,
 * security modules).  Nothing is decided here.
 */
#pragma once

#include <sys/types.h>

/*
 * Make this process the user, without supplementary groups and capabilities;
 * nothing changes when it is that user already.  For short-lived children.
 * Returns 0, or EPERM.
 */
int probe_become(uid_t uid, gid_t gid);

/*
 * Blocks for one fork().  Returns 0, or -EACCES: no; -ESRCH; -EPERM: the caller
 * cannot become @uid and @gid; -errno of fork().
 */
int probe_may_trace(pid_t pid, uid_t uid, gid_t gid);
