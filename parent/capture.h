/* SPDX-License-Identifier: MIT */
/*
 * capture.h - what /proc tells about a process beside memory and descriptors
 *
 *   capture_before()   target runs, just before it is stopped: texts that
 *                      would else show our own stop (status, stat) or belong
 *                      to no memory (limits, cgroup)
 *   capture_clocks()   all threads stopped: the image's moment
 *   capture_finish()   pause over: the rest, from the stopped twin, which
 *                      has the target's memory, credentials, umask and cwd
 *
 * Left to the snapshot itself, as it takes calls inside a process: registers,
 * sigactions, brk, itimers, timer values, pending signals.
 */
#pragma once

#include <sys/types.h>

#include "common/image.h"

/*
 * Add the texts status, stat, comm, limits, cgroup and oom_score_adj of @pid to
 * @image, and set pid, host_pid and comm.
 *
 * Returns 0, -ESRCH, -EACCES, -ENOMEM, -EPROTO, or -errno of /proc.
 */
int capture_before(pid_t pid, struct image *image);

/* Set captured_realtime_ns, captured_monotonic_ns, captured_boottime_ns. */
void capture_clocks(struct image *image);

/*
 * Fill from @twin: mm (but brk), exe, exe_bytes, cwd, root, umask, personality,
 * uid, gid, groups, no_new_privs, the texts cmdline, environ and auxv; and from
 * this host: boot_id, hostname, kernel, cpu_features, xfeatures.
 *
 * On success *@ret_exe_fd is the caller's: the executable, open for reading, or
 * -1 when it may not be opened.
 *
 * Returns 0, -ESRCH when the twin is gone, -ENOMEM, -EPROTO, or -errno.
 */
int capture_finish(pid_t twin, struct image *image, int *ret_exe_fd);
