/* SPDX-License-Identifier: MIT */
/*
 * init.h - a world where the image's pid and tids are free, begun before the
 * image is known
 *
 *   supervisor                        init, pid 1           the child
 *   init_begin()   --clone(NEWPID)-->
 *     reads the image, plans          mounts, /proc, guard
 *   init_ready()   <--futex--
 *   init_go()      --signal-->
 *     polls                           --clone3(set_tid)-->  enter()
 *   init_settle()  <--futex--         reaps, tells statuses
 *
 * libc caches tids in locks and thread structures, so the child keeps its old
 * ones in a pid namespace of its own, with its own /proc.  An image of a pid 1
 * is its own init (loader/nspace.h).
 *
 * Below: loader/reaper.h, which says what the two share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "loader/why.h"

struct init;

struct init_options {
	bool guarded; /* install the guard */
	bool stays;   /* for more children, one after the other */
	bool exits;   /* with exit_group(2) held */
	uint64_t cookie;
};

struct init_child {
	pid_t pid;
	int report;	     /* loader/report.h; stays the caller's, open */
	uint64_t nofile_max; /* raise RLIMIT_NOFILE to this, or 0 */
	const char *clocks;  /* for timens_offsets, or "" */
	bool linger;	     /* stay for what the child leaves running */
	void (*enter)(void *data);
	void *data;
};

/*
 * Start the process.  Must be called with all signals blocked; the descriptor
 * table is shared from here on until init_free().  0, or -errno with words.
 */
int init_begin(const struct init_options *options, struct init **ret_init,
	       struct why *why);

/* To wait for, and to kill: nothing of the world lives on. */
pid_t init_pid(const struct init *init);

/*
 * Wait for the world; *@ret_listener is the guard's, now the caller's, or -1:
 * there is none, or it was given to an earlier caller.
 * 0, or -errno with words.
 */
int init_ready(struct init *init, int *ret_listener, struct why *why);

/*
 * Let the child be cloned; @child->data must last until init_settle().  Between
 * the two the caller may only wait in a system call: the child's libc begins
 * with the caller's memory as it is at some moment between.
 */
void init_go(struct init *init, const struct init_child *child);

/*
 * Wait until the child is there.  *@ret_pidfd becomes the caller's.  0, or
 * -errno with words: then init ends.
 */
int init_settle(struct init *init, int *ret_pidfd, struct why *why);

/*
 * Has its world other mounts than when it was made?  Then it is no world for
 * another child.  Only for one that stays; false while it is being made.
 */
bool init_has_changed(const struct init *init);

/* What the child used; once its status has been told. */
void init_usage(const struct init *init, struct rusage *ret_usage);

/* Free what describes an init that has been waited for, or NULL. */
void init_free(struct init *init);

/* Kill an init that has no child yet, wait for its end, and free; or NULL. */
void init_abandon(struct init *init);
