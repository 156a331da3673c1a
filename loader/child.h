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
	int supervisor; /* takes a struct child_hello with descriptors */
	int watchdog;	/* the same, or -1 */
};

/* Sent with the pidfd of the child, and a listener or a userfaultfd. */
struct child_hello {
	uint32_t has_listener, has_uffd;
};

/*
 * Will the child lead a session or a process group of its own, as the parent
 * did?  Then the terminal's signals do not reach it by themselves.
 */
bool child_leads(const struct load *load);

/* Become the image.  @data: a struct child.  Never returns. */
void child_enter(void *data);
