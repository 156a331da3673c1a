/* SPDX-License-Identifier: MIT */
/*
 * eager.h - every page of the image into the page cache, before a child runs
 *
 * By reading ahead and touching, so it works with any directory that holds an
 * image; what is there already costs nothing.  Blocks on the image.
 */
#pragma once

#include <stdint.h>

#include "loader/imagedir.h"
#include "loader/why.h"

struct eager_watch {
	/* So many bytes are here; called after each piece. */
	void (*tell)(void *arg, uint64_t done_bytes, uint64_t all_bytes);
	void *arg;
};

/*
 * Returns 0, or -errno with words in @why: -EIO when a page could not be had.
 */
int eager_bring(const struct imagedir *dir, const struct eager_watch *watch,
		struct why *why);
