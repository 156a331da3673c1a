/* SPDX-License-Identifier: MIT */
/*
 * fdwatch.h - through which descriptor an epoll set's watch can be had again
 *
 *     watch of 5 --> open file description <-- 5, or another number
 *
 * A set watches open file descriptions, and remembers the number that one had
 * when it was added.  That number may be closed, or mean another file by now,
 * and the set goes on telling of the old one for as long as anybody has it open.
 *
 * Above: fds.c, inside the pause.  Below: fdlook (kcmp(2)).
 */
#pragma once

#include "parent/fdlook.h"

/* A descriptor of the process; seen_in and seen are fdwatch's own. */
struct fdwatch_file {
	int32_t fd;
	uint64_t ino;	/* struct fdinfo's */
	bool is_alone;	/* a socket: no two descriptions have its inode */
	int32_t seen_in; /* epoll set that was last found to watch this number */
	uint32_t seen;	 /* how often it does */
};

/*
 * Set epoll.through of all @watches, those of one set in the order in which the
 * kernel told them: to the number itself, another descriptor of the same open
 * file description, or -1 when the process has none.
 *
 * @files: all descriptors of the process, by number.
 */
void fdwatch_settle(struct fdlook *look, struct fdwatch_file *files,
		    uint32_t nr_files, struct fdinfo_watches *watches);
