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
 * Add to @list the runs of [@start, @end) that are present or swapped out and
 * not the kernel's page of zeros.  Guard markers (MADV_GUARD_INSTALL) are no
 * data.
 *
 * Returns 0, -ESRCH when the process is gone, -E2BIG, -ENOMEM, -errno.
 */
int pagemap_scan(int pagemap_fd, uint64_t start, uint64_t end,
		 struct runlist *list);

/*
 * The same for kernels before 6.7, which do not tell the page of zeros from
 * others: such a page counts as data.
 */
int pagemap_read(int pagemap_fd, uint64_t start, uint64_t end,
		 struct runlist *list);
