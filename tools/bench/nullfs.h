/* SPDX-License-Identifier: MIT */
/*
 * nullfs.h - a file system that does nothing: the floor of every FUSE fault
 *
 * One file, "null", whose pages are all the same bytes of its own memory.  It
 * is asked by the kernel, and reads its questions, exactly as mitosisfs does
 * (fs/channel.h), in a process of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct nullfs;

struct nullfs_options {
	const char *mnt; /* an empty directory; borrowed */
	uint64_t bytes;	 /* of the file */
	unsigned threads;
	bool uring;
};

/*
 * Start it; on return the file can be opened.  It ends with us.  Says its
 * errors and returns -errno.
 */
int nullfs_open(const struct nullfs_options *options, struct nullfs **ret);

/* Unmount and wait for its end.  NULL is allowed. */
void nullfs_close(struct nullfs *nullfs);
