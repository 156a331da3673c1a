/* SPDX-License-Identifier: MIT */
/*
 * poor.h - a process that has next to nothing, to be imaged
 *
 * No rights, two descriptors of the three it may have, no memory to lock, and a
 * filter of system calls that kills it for any that it does not need itself.
 */
#pragma once

#include <sys/types.h>

struct poor {
	pid_t pid; /* 0: none */
	int asks_fd, says_fd;
};

/* Start it, and wait until its memory is written.  Ends the program on errors.
 */
void poor_start(struct poor *poor);

/* Have it write to all memory of its own; returns when it has. */
void poor_rewrite(struct poor *poor);

/* Ends the program unless its memory is as it wrote it, and it is well. */
void poor_check(struct poor *poor);

void poor_end(struct poor *poor);
