/* SPDX-License-Identifier: MIT */
/*
 * supervise.h - make the children, keep them right, pass on signals and status
 *
 * One process, one thread, one poll loop: the guard or the pager of each child,
 * what children on their way say, and the signals that came for us.  The
 * supervisor never ends before its children, and they never live without it
 * (loader/reaper.h, loader/watchdog.h).  What they leave running without an
 * init has its guard in a process that is forked off, when the last child has
 * ended, from one that is not detached; it keeps no descriptor of the caller's.
 */
#pragma once

#include "loader/init.h"
#include "loader/load.h"
#include "loader/outcome.h"

struct supervise_options {
	const char *pid_file; /* or NULL */
	bool detached;	      /* nobody waits for the terminal with us */
	struct init *first;   /* of supervise_begin(), or NULL: taken over */
	/*
	 * Called once, when all children run (@error 0) or when the load failed
	 * (-errno, with words): only then may a caller tell somebody.
	 */
	void (*started)(void *data, int error, const struct why *why);
	/* Called at the end for a child that we had to kill, or NULL. */
	void (*killed)(void *data, const struct why *why);
	/*
	 * Called at the end for each child that ran, with options->profiled of
	 * the load: how its life went.  Or NULL.
	 */
	void (*ended)(void *data, const struct outcome *outcome);
	void *data; /* of all */
};

/*
 * Begin the world of the first child, for supervise_run() or init_abandon(),
 * before load_open(): it is made meanwhile.  Not for options->new_pid.  0, or
 * -errno with words.
 */
int supervise_begin(const struct load_options *options, struct init **ret_init,
		    struct why *why);

/* The exit status of a load that failed before the child ran: EX_UNAVAILABLE
 * of sysexits.h, so that it is unlike what programs and signals end with. */
#define SUPERVISE_NOT_LOADED 69

/*
 * Load load->options->nr_children children and stay until all have ended.
 *
 * Must be called with all signals blocked, descriptors 0 to 2 open, and no
 * other children.  Returns the exit status of the first child that failed, or
 * 0: a child killed by signal N counts as 128+N.
 */
int supervise_run(const struct load *load,
		  const struct supervise_options *options);
