/* SPDX-License-Identifier: MIT */
/*
 * procfs.h - status, stat, timers and task lists of /proc, checked
 *
 * Above: snapshot.c, seize.c, capture.c.  Each parser takes text from memory,
 * with a twin that reads the file.  Memory areas are vmas.h's, descriptors
 * fdinfo.h's.  No state, any thread.  Formats: proc_pid_status(5),
 * proc_pid_stat(5), Documentation/filesystems/proc.rst.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"

/* What snapshots use of /proc/PID/status or /proc/PID/task/TID/status. */
struct procfs_status {
	char state;  /* 'R', 'S', 'D', 'T', 't', 'Z', 'X', 'I' */
	int32_t pid; /* "Pid": the task, in the namespace of this /proc */
	int32_t tgid;
	int32_t ppid;
	int32_t tracer_pid; /* 0: nobody */
	int32_t ns_pid;	    /* last of "NSpid": as the task itself sees it */
	int32_t ns_tgid;    /* last of "NStgid" */
	uint32_t uid[4], gid[4]; /* real, effective, saved, file system */
	uint32_t umask;
	uint32_t nr_threads;
	uint64_t sig_pending; /* "SigPnd": for this thread; bit 0 is signal 1 */
	uint64_t shared_pending; /* "ShdPnd": for the process */
	uint64_t sig_blocked, sig_ignored, sig_caught;
	uint32_t no_new_privs;
	uint32_t seccomp; /* 0 none, 1 strict, 2 filter */
	uint32_t *groups; /* procfs_status_free() */
	uint32_t nr_groups;
};

/*
 * Parse a status text.  Lines that an older kernel does not write stay 0, but
 * for ns_pid and ns_tgid, which then repeat pid and tgid.
 *
 * Returns 0, -EPROTO (no status text, a number out of range), -E2BIG (more than
 * IMAGE_GROUPS_MAX groups) or -ENOMEM.
 */
int procfs_parse_status(const char *text, size_t len_bytes,
			struct procfs_status *ret_status);

/*
 * Parse /proc/@pid/status, or /proc/@pid/task/@tid/status with @tid over 0.
 * Also -ESRCH and other -errno of open and read.
 */
int procfs_status(pid_t pid, pid_t tid, struct procfs_status *ret_status);

/* Free what @status owns, and zero it; a zeroed one is allowed. */
void procfs_status_free(struct procfs_status *status);

/*
 * Addresses of the program's parts from a stat text; brk stays 0, the kernel
 * does not tell it.  0 or -EPROTO.
 */
int procfs_parse_stat(const char *text, size_t len_bytes,
		      struct image_mm *ret_mm);

/*
 * The timer_create() timers of a /proc/PID/timers text; *@ret_timers is the
 * caller's to free().  value_ns and interval_ns are 0: only timer_gettime(2)
 * inside the process tells them.  target_tid is as this /proc counts.
 *
 * Returns 0, -EPROTO, -E2BIG past IMAGE_TIMERS_MAX, or -ENOMEM.
 */
int procfs_parse_timers(const char *text, size_t len_bytes,
			struct image_timer **ret_timers, uint32_t *ret_nr);

/* procfs_parse_timers() of /proc/@pid/timers; also -errno of open and read. */
int procfs_timers(pid_t pid, struct image_timer **ret_timers, uint32_t *ret_nr);

/*
 * The tids in the open directory @task_fd (/proc/PID/task), rewound first.
 *
 * *@tids is an array of *@cap that grows as needed and can be used again; it is
 * the caller's to free().  The order is the kernel's: the leader first.
 *
 * Returns 0, -ESRCH when the process is gone, -E2BIG past IMAGE_THREADS_MAX,
 * -ENOMEM, or -errno of getdents64(2).
 */
int procfs_tids(int task_fd, pid_t **tids, uint32_t *cap, uint32_t *ret_nr);
