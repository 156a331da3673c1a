/* SPDX-License-Identifier: MIT */
/*
 * eager.h - pages of an image into the kernel's page cache, unasked: all, or a
 * working set
 *
 * A thread that makes the file of all pages known to the kernel (it keeps no
 * pages of a file that nobody has looked up), asks the fetch for them in the
 * order it is given, and waits.  The prefetch thread does the work: holes are
 * not fetched, nor what faults have brought.
 *
 * No descriptor is held: the mount can be unmounted at any time, which ends it.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"
#include "rdmafetch/fetch.h"

struct eager_options {
	struct fetch *fetch;
	const struct image *image;
	const struct prefetch_run *runs; /* what to bring, first to last */
	unsigned nr_runs;
	int is_all; /* it is the whole image: pages that do not come count */
	const char *space_path; /* the file of all pages, below the mount */
	uint64_t patience_ns;	/* without a connection; 0: for ever */
	/* The kernel knows that file now.  From the thread.  May be NULL. */
	void (*known)(void *arg);
	/*
	 * All is here (0), or not: -EIO when pages could not be had, or the
	 * -errno of the look-up.  Called once, from the thread.  May be NULL.
	 */
	void (*done)(void *arg, int result);
	void *arg;
};

struct eager;

/* Where it stands. */
struct eager_state {
	uint64_t here_pages, all_pages;
	uint64_t took_ns; /* so far, or all in all */
	int is_over, result;
};

/*
 * Start it, once the fetch is there; the mount need not answer yet.  What
 * @options point at must live longer.  Returns 0 or -errno.
 */
int eager_open(const struct eager_options *options, struct eager **ret);

/* Any thread. */
void eager_get_state(struct eager *eager, struct eager_state *ret_state);

/* Whether eager_close() waits for the thread.  From its @done. */
int eager_must_end(struct eager *eager);

/* End it, when the mount is gone or answers.  NULL is allowed. */
void eager_close(struct eager *eager);
