/* SPDX-License-Identifier: MIT */
/*
 * taskstat.h - where a thread runs, as /proc/TID/stat has it
 *
 * No state, any thread.  Format: proc_pid_stat(5).
 */
#pragma once

#include <sched.h>
#include <sys/types.h>

struct taskstat {
	char state; /* 'R': it runs, or would if it had a CPU */
	int cpu;    /* it was last on, below CPU_SETSIZE */
};

/*
 * Parse @text, which ends with a NUL.  0 or -EPROTO: no such text, or a CPU of
 * CPU_SETSIZE or more.
 */
int taskstat_parse(const char *text, struct taskstat *ret);

/*
 * Parse that of the thread @tid of any process, in the namespace of this /proc.
 * Also -errno of open and read: -ENOENT and -ESRCH for nobody.
 */
int taskstat_read(pid_t tid, struct taskstat *ret);
