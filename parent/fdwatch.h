/* SPDX-License-Identifier: MIT */
/*
 * fdwatch.h - through which descriptor an epoll set's watch can be had again
 *
 *     watch of 5 --> open file description <-- 5, or another number
 *
 * A set watches open file descriptions, and remembers the number that one had
 * when it was added.  That number may be closed, or mean another file by now,
 * and the set goes on telling of the old one for as long as anybody has it
 * open.
 *
 * Only kcmp(2) tells, and for each question the kernel walks half of the set.
 * So most is asked while the target runs; what the pause finds as it was needs
 * no question, and the pause asks no more than takes some 0.2 ms.  What nobody
 * had the time to ask about is taken for what its number says.
 *
 * Above: fds.c, before the pause and inside it.  Below: fdlook (kcmp(2)).
 */
#pragma once

#include "parent/fdlook.h"

/* A descriptor of the process. */
struct fdwatch_file {
	int32_t fd;
	uint64_t ino;	    /* struct fdinfo's */
	uint32_t group_end; /* in sorted, of those that may be one with it */
	bool is_alone;	    /* a socket: no two descriptions have its inode */
	bool is_as_before;  /* as it was when the watches before were settled */
};

struct fdwatch_table {
	const struct fdwatch_file *files; /* by number */
	/* The same by inode, those of a group together by fdlook_compare(). */
	const struct fdwatch_file **sorted;
	uint32_t nr;
	bool is_as_before; /* all of them, and none is gone */
};

/*
 * Set epoll.through of all @watches, those of one set in the order in which the
 * kernel told them: to the number itself, another descriptor of the same open
 * file description, or -1 when the process has none.
 *
 * @before: what an earlier call settled, or empty.  Inside the pause (hurries
 * of
 * @look) there is less time to ask.
 */
void fdwatch_settle(struct fdlook *look, const struct fdwatch_table *table,
		    const struct fdinfo_watches *before,
		    struct fdinfo_watches *watches);

/*
 * Let @before have the watches of @watches, which is empty then and has room
 * for as many.  0 or -ENOMEM, with nothing changed.
 */
int fdwatch_keep(struct fdinfo_watches *watches, struct fdinfo_watches *before);
