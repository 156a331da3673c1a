/* SPDX-License-Identifier: MIT */
/*
 * holes.h - where memory of an image is, and where it is not
 *
 * Above: fs/tree.c and fs/core.c, which answer lseek(2).  Pure; any thread.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"

/*
 * The first address at or after @raddr whose page is present, or UINT64_MAX
 * when there is none.  O(log n).
 */
uint64_t holes_next_data(const struct image *image, uint64_t raddr);

/* The first address at or after @raddr whose page is not present.  O(log n). */
uint64_t holes_next_hole(const struct image *image, uint64_t raddr);
