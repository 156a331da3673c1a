/* SPDX-License-Identifier: MIT */
/*
 * cpus.h - the CPUs that threads were bound to (sched_setaffinity(2))
 *
 * A thread that nobody has bound may use what its cgroup may: that is no wish of
 * the program, and on another host it would be a wrong one.  The twin, of the same
 * cgroup, has asked for all there are.
 *
 * Below: two system calls.  Threads: any.
 */
#pragma once

#include <sys/types.h>

#include "common/image.h"

/* Fill cpus of @thread, with what @tid may use.  0 or -ENOMEM. */
int cpus_take(pid_t tid, struct image_thread *thread);

/*
 * Forget those of threads of @image that may use what @twin may, which is all
 * that its cgroup may; where that is not told, those of all.
 */
void cpus_settle(pid_t twin, struct image *image);
