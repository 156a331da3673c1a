/* SPDX-License-Identifier: MIT */
/*
 * footprint.h - what a child has of its image in its page tables
 *
 * That is more than it touched: around a page that the page cache has, the
 * kernel maps up to 15 that it has, too (fault_around_bytes); where nobody
 * fetched those, there is nothing to map.  What a child dropped again is not
 * there any more.
 *
 * Below: common/pagescan.h, and /proc/PID/maps.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/workset.h"
#include "loader/load.h"

struct footprint {
	uint64_t mapped_pages; /* the image's, as they are in the page cache */
	uint64_t copied_pages; /* the image's, copied on write */
	uint64_t own_pages;    /* anonymous memory that maps no file */
	struct workset image;  /* both of the image, where it is one file */
};

/*
 * Look at process @pid, a child of @load that waits or at least lives; some
 * microseconds an area.  *@ret is zeroed by the caller, and ends with
 * footprint_done() also after an error.
 *
 * Returns 0, -ESTALE when it has nothing of the image mapped (it runs another
 * program now), -ESRCH, or another -errno.
 */
int footprint_take(pid_t pid, const struct load *load, struct footprint *ret);

void footprint_done(struct footprint *footprint);
