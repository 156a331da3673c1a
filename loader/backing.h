/* SPDX-License-Identifier: MIT */
/*
 * backing.h - the file that a private map of the image stands for
 *
 * The image has the bytes that the parent saw, what it had written among them.
 * A page that the child drops has to be the file's again.  That is the file
 * itself where it is certainly the one (loader/live.h), else DIR/files/PATH of
 * the image; of a memfd, the bytes that came with a descriptor of it.
 *
 * Above: charge.c, for the guard.  One thread.
 */
#pragma once

#include "loader/imagedir.h"
#include "loader/plan.h"

struct backing {
	const struct imagedir *dir;
	const struct plan_facts *facts;
	int *fds; /* of the image's VMAs, once asked for, plus 1; or NULL */
};

/*
 * A guard's open_file() (loader/guard.h); @arg is a struct backing, which keeps
 * what is open.  Blocks on the file systems when a file is asked for the first
 * time.  -ENOENT when there is no such file to be had, -ENOMEM.
 */
int backing_open(void *arg, uint64_t inode, uint64_t offset_bytes, int *ret_fd,
		 uint64_t *ret_offset_bytes);

/* Close what it keeps open; NULL is allowed. */
void backing_close(struct backing *backing);
