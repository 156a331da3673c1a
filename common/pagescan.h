/* SPDX-License-Identifier: MIT */
/*
 * pagescan.h - PAGEMAP_SCAN (Linux 6.7): the pages of a range by what they are,
 * without touching one
 *
 * admin-guide/mm/pagemap.rst.  Debian 12's headers do not have it.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#define PAGESCAN_FILE	 (UINT64_C(1) << 2) /* of a file, not copied on write */
#define PAGESCAN_PRESENT (UINT64_C(1) << 3)
#define PAGESCAN_SWAPPED (UINT64_C(1) << 4)
#define PAGESCAN_ZERO	 (UINT64_C(1) << 5) /* the kernel's page of zeros */
#define PAGESCAN_GUARD	 (UINT64_C(1) << 8) /* Linux 6.15: MADV_GUARD_INSTALL */

/* Which pages, as the kernel has it: all of @wanted, after @inverted were. */
struct pagescan {
	uint64_t start, end; /* bytes; start moves on */
	uint64_t inverted, wanted;
	uint64_t any;	   /* at least one of these */
	uint64_t returned; /* what is told of them, and parts them */
};

/* /proc/@pid/pagemap, for the caller to close; -ESRCH or another -errno. */
int pagescan_open(pid_t pid);

/*
 * Call @each for every run of pages, [@start, @end) in bytes, from @scan->start
 * on until all is seen or it returns other than 0, which is returned.
 * Otherwise 0, or -errno of the ioctl: -ENOTTY before Linux 6.7, after which
 * @scan->start says how far it came.  PAGESCAN_GUARD is left out of any and
 * returned where the kernel does not know it.
 */
int pagescan(int pagemap_fd, struct pagescan *scan,
	     int (*each)(void *arg, uint64_t start, uint64_t end,
			 uint64_t categories),
	     void *arg);
