/* SPDX-License-Identifier: MIT */
/*
 * load_at.h - mitosis-load --at: children of a loader that serves
 *
 * The client has no part in the children but its descriptors: it passes signals
 * on and hears how they end.
 */
#pragma once

#include <stdbool.h>

#include "loader/fate.h"
#include "loader/why.h"

struct load_at_options {
	const char *path;  /* of the socket */
	const char *image; /* as the server names it, or "" */
	const char *cwd;   /* or NULL */
	const char *root;  /* or NULL */
	unsigned nr_children;
	bool detach; /* not to wait for their ends */
	const struct fate_options *fates;
	const char *pid_file; /* or NULL */
	/* Once, when all run (@error 0), or when none will. */
	void (*started)(void *data, int error, const struct why *why);
	void *data;
};

/*
 * Ask, and stay until all have ended, or with detach until they run.  Must be
 * called with all signals blocked.  Returns the exit status, as
 * supervise_run(); 137, and words said, when the server has ended before them.
 */
int load_at(const struct load_at_options *options);
