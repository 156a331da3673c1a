/* SPDX-License-Identifier: MIT */
/*
 * guardian.h - whatever becomes of a benchmark, nothing of it stays
 *
 * The work is done in a process of its own.  When that has ended, by itself, by
 * a fault or because SIGINT, SIGTERM or SIGHUP came to its guardian, then what
 * is mounted in its directory is unmounted, what it has started, daemons and
 * children of images too, is killed, and the directory is removed.
 */
#pragma once

/* Returns the status to exit with: 0 or 1. */
typedef int (*guardian_work_fn)(const void *arg, const char *dir);

/*
 * Run @work with @arg and an empty directory.  Blocks.  No other children of
 * the calling process may exist.
 *
 * Returns @work's status, 1 when it died or could not be run, as without
 * CAP_SYS_ADMIN, or 128 and the number of the signal that ended it.
 */
int guardian_run(guardian_work_fn work, const void *arg);
