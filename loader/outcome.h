/* SPDX-License-Identifier: MIT */
/*
 * outcome.h - how a child's life went: what mitosis-load --profile tells
 *
 * A process that has ended has no memory to look at, so it is looked at before:
 * the guard's filter holds its exit_group(2) for a moment, and a signal that
 * may end it and comes by us is sent on after a look.  One that is killed
 * otherwise, or ends by the exit of its last thread, is not seen.
 *
 * Above: charge.c.  Nothing here can fail a child.
 */
#pragma once

#include <sys/resource.h>

#include "loader/footprint.h"
#include "loader/guard.h"
#include "loader/pager.h"

enum outcome_seen {
	OUTCOME_UNSEEN,
	OUTCOME_AT_SIGNAL, /* before a signal that may have ended it */
	OUTCOME_AT_EXIT,
};

struct outcome {
	const struct load *load;
	bool is_wanted;
	pid_t pid;  /* as this process sees it; 0: it never ran */
	int status; /* as of the loader's own exit */
	uint64_t began_ns, ended_ns; /* CLOCK_MONOTONIC */
	struct rusage usage;	     /* of it and what it waited for */
	enum outcome_seen seen;
	struct footprint pages; /* if it was seen */
	struct guard_stats guard;
	struct pager_stats pager;
};

/* Begin: nothing is done later unless load->options->profiled. */
void outcome_begin(struct outcome *outcome, const struct load *load);

/* The child @pid has become the image. */
void outcome_runs(struct outcome *outcome, pid_t pid);

/*
 * A thread @tid, of the child or of one of its own children, waits at its
 * exit_group(2).
 */
void outcome_exiting(struct outcome *outcome, pid_t tid);

/* Signal @signo is about to be sent to the child. */
void outcome_signal(struct outcome *outcome, int signo);

/* It has ended, with @status for our exit. */
void outcome_ends(struct outcome *outcome, int status);

void outcome_done(struct outcome *outcome);
