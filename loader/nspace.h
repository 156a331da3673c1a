/* SPDX-License-Identifier: MIT */
/*
 * nspace.h - a child without an init: with a new pid, or pid 1 itself
 *
 * All others are made by loader/init.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/image.h"
#include "loader/why.h"

struct nspace_options {
	bool new_pid;  /* no namespace: an ordinary new process */
	int report_fd; /* loader/report.h */
	int theirs[2]; /* the supervisor's own: closed at once */
	/* nspace_clocks(): in a time namespace of its own; or NULL, in ours. */
	const char *clocks;
	/* What the new process does; must not return. */
	void (*enter)(void *data);
	void *data;
};

/*
 * Make the process that will become the image.  Returns its pid, or -errno with
 * words.  Its own failures, later, go to report_fd.
 */
pid_t nspace_spawn(const struct nspace_options *options, struct why *why);

/* Does @image's child have no init? */
bool nspace_is_direct(const struct image *image, bool new_pid);

/*
 * Give the calling process the default action for all signals: the image's
 * others are set over them.  Raw system calls: loader/reaper.c runs it.
 */
void nspace_default_signals(void);

/*
 * What a process writes to timens_offsets, for its children to see clocks that
 * go on from @image's: for an image of another host, whose monotonic time is
 * another.  At most @size bytes, with the NUL.
 */
void nspace_clocks(const struct image *image, char *ret_text, size_t size);
