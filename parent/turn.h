/* SPDX-License-Identifier: MIT */
/*
 * turn.h - images of one process are taken one after the other
 *
 * A process has one tracer at a time.  Who wants an image of it stands in line
 * here, and begins when all who came before have let the process go.
 *
 * Threads: one thread makes every call.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* In the caller's structure; zeroed, it stands in no line. */
struct turn {
	pid_t pid;
	bool in_line;
	/* It is this one's turn, now that another has ended.  Must make no call
	 * of these. */
	void (*begin)(struct turn *turn);
	struct turn *next;
};

/* The line of all processes; NULL when nobody stands in it. */
struct turns {
	struct turn *first;
};

/*
 * Stand in line for @turn->pid, until turn_end(): @turn must live so long.
 * Returns 1 when it is its turn at once, or 0: begin() will be called.
 */
int turn_take(struct turns *turns, struct turn *turn);

/* Let the next one begin, or leave the line.  Allowed when not in it. */
void turn_end(struct turns *turns, struct turn *turn);
