/* SPDX-License-Identifier: MIT */
/*
 * pagemap.h - which pages of a range hold data, without touching one
 *
 * Above: runs.c, shared.c.  Below: PAGEMAP_SCAN (common/pagescan.h) or, without
 * it, the entries of /proc/PID/pagemap; admin-guide/mm/pagemap.rst.  Huge pages
 * come as one answer, empty page tables cost nothing in the first way.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "parent/runlist.h"

/*
 * Add to @data the runs of [@start, @end) that are present or swapped out and
 * not the kernel's page of zeros, and to @guards those that fault whoever
 * touches them: guard regions, of MADV_GUARD_INSTALL (Linux 6.13).  Either may
 * be NULL.  Linux 6.13 and 6.14 have guard regions and do not tell: there they
 * count as data, which nobody can read.
 *
 * Returns 0, -ESRCH when the process is gone, -E2BIG, -ENOMEM, -errno.
 */
int pagemap_scan(int pagemap_fd, uint64_t start, uint64_t end,
		 struct runlist *data, struct runlist *guards);

/*
 * The data alone, for kernels before 6.7, which do not tell the page of zeros
 * from others: such a page counts as data.  There are no guard regions there.
 */
int pagemap_read(int pagemap_fd, uint64_t start, uint64_t end,
		 struct runlist *list);
