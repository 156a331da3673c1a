/* SPDX-License-Identifier: MIT */
/*
 * follow.h - who answers faults runs on the CPU of who faults
 *
 * The kernel wakes a reader of /dev/fuse on an idle CPU rather than on the one
 * that is about to be idle: that of the thread that has just asked.  Waking a
 * CPU that sleeps costs more than the fault (docs/performance.md).  So while
 * faults come from one CPU, all threads that answer are bound to it, and free
 * again when others fault too.  Looked at every few reads, in /proc/TID/stat.
 *
 * Above: fs/ops.c.  Threads: any; each that calls follow_read() is bound.
 */
#pragma once

#include <sys/types.h>

struct follow;

/* NULL without memory, or with one CPU: there is nothing to follow. */
struct follow *follow_new(void);

/*
 * The calling thread is about to answer a read of the thread @tid; 0: of one
 * that cannot be seen from here.
 */
void follow_read(struct follow *follow, pid_t tid);

/* No thread calls any more, but the caller, and those that did have ended.  NULL
 * is allowed. */
void follow_free(struct follow *follow);
