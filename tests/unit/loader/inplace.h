/* SPDX-License-Identifier: MIT */
/*
 * inplace.h - turn a running program into its own restored child, in place
 *
 * A cooperating program (victim.h) stops itself; all its populated private
 * anonymous memory but the main stack is written to a memfd and mapped again
 * from it, MAP_PRIVATE | MAP_FIXED.  That is the memory a loaded child has, so
 * the guard can be proven on any program without a network or a loader.
 *
 *     victim                 harness
 *     stops    -- pipe -->   dump, inject mmap per area, open the guard
 *     goes on  <-- SIGCONT
 *     its calls <---------   guard_serve() until it ends
 */
#pragma once

#include <stdbool.h>

#include "loader/guard.h"

enum inplace_mode {
	INPLACE_NATIVE,	 /* nothing converted: is the victim itself right? */
	INPLACE_BARE,	 /* converted, no guard: what goes wrong without */
	INPLACE_GUARDED, /* converted and guarded */
	INPLACE_TRACED,	 /* guarded, with another tracer on all its threads */
	INPLACE_STOPPED, /* guarded, under a storm of SIGSTOP and SIGCONT */
};

struct inplace {
	enum inplace_mode mode;
	const char *preload; /* a library for LD_PRELOAD, or NULL */
	unsigned timeout_s;  /* then the victim is killed */
	/* out: */
	int status; /* as waitpid() gives it */
	struct guard_stats stats;
	int served; /* what guard_serve() returned last */
};

/* Run @argv to its end.  0, or -errno when the harness itself failed. */
int inplace_run(struct inplace *run, char *const argv[]);
