/* SPDX-License-Identifier: MIT */
/*
 * nspace.h - a world where the image's pid and tids are free
 *
 *   supervisor --clone3(NEWPID, NEWNS)--> init (pid 1: reaps, tells statuses)
 *                                           --clone3(set_tid)--> the child
 *
 * libc caches tids in locks and thread structures, so the child keeps its old
 * ones in a pid namespace of its own, with its own /proc.  An image of a pid 1
 * is its own init.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/image.h"
#include "loader/why.h"

struct nspace_options {
	bool new_pid;  /* no namespace: an ordinary new process */
	bool linger;   /* init stays for what the child leaves running */
	int report_fd; /* loader/report.h; init keeps a copy */
	int theirs[2]; /* the supervisor's own: closed at once */
	/* What the new process does; must not return. */
	void (*enter)(void *data);
	void *data;
};

/*
 * Make the process that will become @image.  Returns the pid to wait for (init,
 * or the child itself), or -errno with words.  Failures of init, later, go to
 * report_fd.
 */
pid_t nspace_spawn(const struct image *image,
		   const struct nspace_options *options, struct why *why);

/* Is the process that nspace_spawn() returned the child itself? */
bool nspace_is_direct(const struct image *image, bool new_pid);

/*
 * From now on children of this process see clocks that go on from @image's:
 * for an image of another host, whose monotonic time is another.  0, or -errno
 * with words.
 */
int nspace_continue_clocks(const struct image *image, struct why *why);
