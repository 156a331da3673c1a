/* SPDX-License-Identifier: MIT */
/*
 * pages.h - read the pages of a snapshot: the end of the way inside the parent
 *
 * Copies from the stopped twin through /proc/TWIN/mem; writable shared memory
 * from the copy made in the pause; the executable and mapped files from the
 * files, which must be as they were at the capture.  Holes are
 * zeros without a look at the twin, which would have to make pages of them.
 */
#pragma once

#include <sys/types.h>

#include "common/image.h"
#include "common/source.h"

struct pages_origin {
	pid_t twin;
	int mem_fd;    /* /proc/TWIN/mem */
	int exe_fd;    /* or -1 */
	int shared_fd; /* or -1 */
	const struct image_run *shared_runs;
	uint32_t nr_shared_runs;
	const struct image *image; /* borrowed */
};

/*
 * The twin must live now, as a child of the caller or with a mem_fd opened
 * while its number was certain.  On success the source owns the descriptors and
 * a copy of the table; it does not own the twin.
 *
 * Returns 0, -ENOMEM, -ESTALE when the twin is gone, or -errno of
 * pidfd_open(2).
 */
int pages_open(const struct pages_origin *origin, struct page_source **ret);

void pages_close(struct page_source *source);
