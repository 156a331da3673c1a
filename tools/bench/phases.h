/* SPDX-License-Identifier: MIT */
/*
 * phases.h - one run: what each step takes, here and with fork()
 *
 * In each run the parent is paused twice and forked once:
 *
 *   1  a thread of it watches the clock while an image is taken: the pause
 *   2  it forks; its child answers, works, reads everything
 *   3  an image is taken, mounted, loaded; its child does the same
 *
 * The thread does not run in 2 and 3, where it would compete with the child.
 */
#pragma once

#include "tools/bench/bench.h"
#include "tools/bench/stats.h"

enum phase {
	PHASE_PAUSE,   /* of the parent */
	PHASE_PREPARE, /* with a daemon: the request for an image */
	PHASE_MOUNT,   /* with local: the image too */
	PHASE_LOAD,    /* until the child runs */
	PHASE_ANSWER,  /* load to the answer to a ping */
	PHASE_WORK,    /* the first real request */
	PHASE_READ,    /* all memory looked at, after that */
	PHASE_LOADED,  /* load to the first real request answered: fork's way */
	PHASE_TOTAL,   /* prepare to the first real request answered */
	PHASE_FIRST,   /* the same of the first run alone: what its child looks
			  at nobody has looked at before (parent/lineage.h) */
	PHASE_END,
};

struct phases {
	struct stats ours[PHASE_END], fork[PHASE_END];
};

extern const char *const phase_names[PHASE_END];  /* for people */
extern const char *const phase_fields[PHASE_END]; /* for JSON */

/* One run.  Says its errors and returns -errno. */
int phases_run(struct bench *bench, struct phases *phases);
