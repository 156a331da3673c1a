/* SPDX-License-Identifier: MIT */
/*
 * childnote.h - what mitosis-load --profile tells the mount of its children: by
 * ioctl(2) on the file of all pages, which a read-only mount does not refuse
 *
 * Only numbers to be shown hang on it: who may read the image may tell
 * anything.  Both ends are on one host, so they are structures.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define CHILDNOTE_FORMAT   1u
#define CHILDNOTE_RUNS_MAX 1000u /* below 16 KiB: ioctl numbers hold no more   \
				  */
#define CHILDNOTE_PHASES_MAX 16u

/* Microseconds from the loader's beginning to the end of each phase. */
struct childnote_load {
	uint32_t format, nr_phases;
	uint64_t phase_us[CHILDNOTE_PHASES_MAX];
};

/* Pages of the image that a child had in its page tables at its end. */
struct childnote_run {
	uint64_t first_page, nr_pages; /* not 0 */
};

struct childnote_pages {
	uint32_t format, nr_runs;
	struct childnote_run runs[CHILDNOTE_RUNS_MAX];
};

#define CHILDNOTE_LOAD	_IOW('m', 0x61, struct childnote_load)
#define CHILDNOTE_PAGES _IOW('m', 0x62, struct childnote_pages)

/*
 * Check @len bytes at @in, which may come from anybody: 0, or -EINVAL.  What is
 * got points into @in, and is aligned as that is.
 */
int childnote_get_load(const void *in, size_t len,
		       const struct childnote_load **ret);
int childnote_get_pages(const void *in, size_t len,
			const struct childnote_pages **ret);
