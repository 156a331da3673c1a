/* SPDX-License-Identifier: MIT */
/*
 * warmplan.h - how the pages of an image lie in the warm file's maps: pure
 *
 * The file's offsets are the parent's addresses, so units of 2 MiB of the one
 * are units of the other.  The kernel takes a huge page, all of it, wherever
 * the map that is touched covers its unit: so a unit that is mostly there is
 * covered whole, and every other stretch gets a map of its own, no longer than
 * itself.
 *
 *     pages     ##########.####|#..............|..####.........|
 *     windows   [------ whole unit -----------]   [--]
 *                               ^ its neighbour joins
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"

#define WARMPLAN_UNIT_PAGES                                                    \
	512u /* of 4 KiB: what one page table entry maps                       \
	      */

/* Of a unit, what must be there so that it becomes one page: seven eighths. */
#define WARMPLAN_WHOLE_PAGES 448u

/* Maps of a process end at 65530 (vm.max_map_count), and it has others. */
#define WARMPLAN_WINDOWS_MAX 16384u

struct warmplan_window {
	uint64_t first_page, nr_pages;
	bool large; /* the kernel may take huge pages */
};

struct warmplan {
	struct warmplan_window *windows; /* by page, never touching */
	uint32_t nr;
	uint64_t waste_pages; /* of whole units: holes that cost memory */
};

/*
 * The windows of all of @image's pages; ends with warmplan_done().  Of an image
 * in more pieces than there may be windows, near ones share a window of small
 * pages, in which holes cost nothing.  Returns 0, -ENOMEM, or -E2BIG when the
 * pieces are too many even so.
 */
int warmplan_make(const struct image *image, struct warmplan *ret_plan);

/* The window with @page, or NULL.  O(log n). */
const struct warmplan_window *warmplan_find(const struct warmplan *plan,
					    uint64_t page);

void warmplan_done(struct warmplan *plan);
