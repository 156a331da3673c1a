/* SPDX-License-Identifier: MIT */
/*
 * runs.h - which pages the image has: the hole map, taken once from the twin
 *
 * Anonymous memory: pages present or swapped that are not the zero page, by
 * PAGEMAP_SCAN (Linux 6.7; admin-guide/mm/pagemap.rst) or, before it, by
 * reading /proc/PID/pagemap.  File maps: every page up to the file's end.
 * Copied areas: what the copy holds.  Asking touches no page.  And where the
 * guard regions of private maps are (MADV_GUARD_INSTALL, Linux 6.15).
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"

/* The tables that runs_scan() joins; all borrowed. */
struct runs_origin {
	pid_t twin;
	const struct image_vma *vmas; /* the twin's, by address */
	uint32_t nr_vmas;
	const struct image_run *shared_runs; /* of shared_copy() */
	uint32_t nr_shared_runs;
};

/* Both by page, the caller's to free(); NULL when there are none. */
struct runs_found {
	struct image_run *runs, *guards;
	uint32_t nr_runs, nr_guards;
};

/*
 * Find the pages; no run has a guard region in it.
 *
 * Returns 0, -ESRCH, -EACCES, -ENOMEM, -E2BIG past IMAGE_RUNS_MAX, or -errno.
 */
int runs_scan(const struct runs_origin *origin, struct runs_found *ret_found);
