/* SPDX-License-Identifier: MIT */
/*
 * pages.h - read the pages of a snapshot: the end of the way inside the parent
 *
 * Copies from the stopped twin with process_vm_readv(2); pages without read
 * permission through /proc/TWIN/mem; writable shared memory from the copy made
 * in the pause; the executable from its file.
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
 * On success the source owns the descriptors and a copy of the table; it does
 * not own the twin.  Returns 0 or -ENOMEM.
 */
int pages_open(const struct pages_origin *origin, struct page_source **ret);

void pages_close(struct page_source *source);
