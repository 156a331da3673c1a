/* SPDX-License-Identifier: MIT */
/*
 * fdmake.h - make one descriptor of the image anew
 *
 * What comes out has the lowest free number and is close-on-exec;
 * loader/fdset.c puts it where it belongs.  In the child, single-threaded.
 */
#pragma once

#include "loader/fate.h"
#include "loader/plan.h"

struct fdmake {
	const struct plan *plan;
	const struct fate_options *options;
	const struct fate *fates; /* of each of image->fds */
	int choices_fd;		  /* where copies of --fd N=M begin */
	bool same_host;
	bool has_terminal; /* PLAN_SLOT_TERMINAL is there */
	struct why *why;
};

/*
 * Make image->fds[@i], whose fate is none of FATE_DUP and FATE_PIPE.  Returns
 * the descriptor, or -errno with words.
 */
int fdmake_one(const struct fdmake *make, uint32_t i);

/*
 * A second description of the file behind @number, a descriptor of ours, open
 * as @fd was: for reading, for writing, or both.  Returns it, or -1 with errno.
 */
int fdmake_again(int number, const struct image_fd *fd);

/*
 * Make the pipe that image->fds[@i] is an end of, with the bytes that were
 * unread: *@ret_read, *@ret_write are the caller's.  0 or -errno with words.
 */
int fdmake_pipe(const struct fdmake *make, uint32_t i, int *ret_read,
		int *ret_write);
