/* SPDX-License-Identifier: MIT */
/*
 * reaper.h - pid 1 of a child's world, from its first instruction to its last
 *
 * It shares the memory and the descriptor table of the supervisor, on a stack
 * of its own: no page tables are copied, and what the supervisor holds for the
 * child (the guard's listener, the pager's descriptors) stays open until both
 * have gone.  Whichever of them dies, the child never runs without:
 *
 *   the supervisor dies   this process still holds all; it is sent a signal,
 *                         kills all of its world, and goes when that is empty
 *   this process dies     the kernel kills the world; the supervisor holds all
 *
 * It uses raw system calls only: errno, and all else that libc keeps for a
 * thread, are the supervisor's.  The child it clones has a copy of that memory,
 * so the supervisor must be in no libc function that changes anything between
 * its "go" and REAPER_CLONED (loader/init.h).
 *
 * One that stays makes child after child, each in a world that is empty but for
 * itself: what a child left running is killed first, or waited for (linger).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum reaper_state {
	REAPER_MAKING, /* the namespaces and the guard */
	REAPER_READY,  /* waits for REAPER_GO */
	REAPER_CLONED, /* the child is there */
	REAPER_FAILED, /* at @what, with @error */
};

#define REAPER_GO   SIGUSR2 /* wakes it; .go has been set */
#define REAPER_DEAD SIGUSR1 /* its parent-death signal */

#define REAPER_CLOCKS_MAX 128u

struct reaper {
	/* Set before it starts. */
	int supervisor; /* pidfd */
	bool guarded;	/* the guard is to be installed */
	bool stays;	/* for another child, when its world is empty */
	bool exits;	/* with exit_group(2) held */
	uint64_t cookie;
	char *room; /* to read lists of mounts */
	size_t room_bytes;
	/* Set by it; state is a futex. */
	uint32_t state;
	int error;
	const char *what, *hint; /* it was about: words, and what to do */
	int listener;		 /* of the guard, or -1 */
	int pidfd;		 /* of the child */
	int mounts;		 /* of its world, when it stays, or -1 */
	struct rusage usage;	 /* of the child, once its status is told */
	/* Set before .go is. */
	bool linger;  /* for what the child leaves running */
	pid_t wanted; /* the child's pid */
	int report;   /* loader/report.h */
	size_t clocks_bytes;
	char clocks[REAPER_CLOCKS_MAX]; /* for timens_offsets */
	void (*enter)(void *data);	/* the child; does not return */
	void *data;
	uint32_t go;
	/* Its own. */
	pid_t child;
};

/* What to run, with a struct reaper.  Does not return. */
int reaper_main(void *reaper);
