/* SPDX-License-Identifier: MIT */
/*
 * child.h - the new process, from its first instruction to the jump
 *
 * The only file that knows the order of things there.  Single-threaded, all
 * signals blocked.
 */
#pragma once

#include "loader/load.h"

struct child {
	const struct load *load;
	int report;	/* write end of the report pipe */
	int supervisor; /* takes a struct child_hello with descriptors, or -1 */
	int watchdog;	/* the same, or -1 */
	bool has_init;	/* it was cloned by loader/reaper.c */
	int stdio[3];	/* what its 0, 1 and 2 are */
	int terminal;	/* what its /dev/tty is, or -1: ours */
	bool guarded;	/* which has installed the guard */
};

/* Sent with the pidfd of the child, and a listener or a userfaultfd. */
struct child_hello {
	uint32_t has_listener, has_uffd;
};

/* Become the image.  @data: a struct child.  Never returns. */
void child_enter(void *data);
