/* SPDX-License-Identifier: MIT */
/*
 * watchdog.h - a child without an init never runs unguarded, not even for a
 * moment
 *
 * Where there is an init, that is its watchdog (loader/reaper.h).
 *
 * When the supervisor dies, the kernel closes its descriptors before it sends
 * the parent-death signal: in between, madvise(2) would fail with ENOSYS, and
 * missing pages would read as zeros.  The watchdog is a second process, in a
 * session of its own, that holds the same listener and userfaultfd.  As long as
 * it does, the child's calls and faults wait; it kills the child, and lets go
 * when nobody uses them any more.
 */
#pragma once

#include <sys/types.h>

struct watchdog {
	pid_t pid; /* or 0 */
	int sock;  /* children send struct child_hello here */
	int far;   /* where it will listen; closed once it runs */
};

/* Make the socket, before the children that get it.  0 or -errno. */
int watchdog_open(struct watchdog *ret_watchdog);

/* Start the process, for at most @nr_children at once.  0 or -errno. */
int watchdog_start(struct watchdog *watchdog, unsigned nr_children);

/* End it, when no child is left. */
void watchdog_stop(struct watchdog *watchdog);
