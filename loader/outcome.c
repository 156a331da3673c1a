/* SPDX-License-Identifier: MIT */
/* outcome.c - see outcome.h */
#include "loader/outcome.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"

void outcome_begin(struct outcome *outcome, const struct load *load)
{
	*outcome = (struct outcome){.load = load,
				    .is_wanted = load->options->profiled};
}

void outcome_runs(struct outcome *outcome, pid_t pid)
{
	if (!outcome->is_wanted)
		return;
	outcome->pid = pid;
	outcome->began_ns = io_monotonic_ns();
}

/* A later look is a better one; one that fails leaves the last. */
static void look(struct outcome *outcome, enum outcome_seen seen)
{
	struct footprint pages = {0};

	if (footprint_take(outcome->pid, outcome->load, &pages)) {
		footprint_done(&pages);
		return;
	}
	footprint_done(&outcome->pages);
	outcome->pages = pages;
	outcome->seen = seen;
}

/* Whether @tid is a thread of process @pid. */
static bool is_thread_of(pid_t tid, pid_t pid)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, tid);
	return access(path, F_OK) == 0;
}

void outcome_exiting(struct outcome *outcome, pid_t tid)
{
	if (outcome->pid && is_thread_of(tid, outcome->pid))
		look(outcome, OUTCOME_AT_EXIT);
}

static bool may_end_it(int signo)
{
	return signo == SIGTERM || signo == SIGINT || signo == SIGHUP ||
	       signo == SIGQUIT;
}

void outcome_signal(struct outcome *outcome, int signo)
{
	/* Of --memory=own the pager knows what came. */
	if (outcome->pid && may_end_it(signo) &&
	    outcome->load->options->memory == PLAN_MEMORY_SHARED)
		look(outcome, OUTCOME_AT_SIGNAL);
}

void outcome_ends(struct outcome *outcome, int status)
{
	if (!outcome->pid)
		return;
	outcome->status = status;
	outcome->ended_ns = io_monotonic_ns();
}

void outcome_done(struct outcome *outcome)
{
	footprint_done(&outcome->pages);
}
