/* SPDX-License-Identifier: MIT */
/*
 * loadprofile.h - what a child cost, told when it is over: mitosis-load
 * --profile
 *
 * What the load took is known here; what was moved for the child is the mount's
 * to say, in the file "status" above the image's directory.  A copy of an image
 * has none, and nothing moves for it.
 */
#pragma once

#include <stdbool.h>

#include "loader/load.h"

#define LOADPROFILE_KEYS 5

struct loadprofile {
	bool json;
	bool has_mount; /* the counters below were there at the beginning */
	uint64_t kb[LOADPROFILE_KEYS];
};

/* Look at the mount before the child runs. */
void loadprofile_begin(const struct load *load, struct loadprofile *profile);

/* Tell on stderr what came of it: lines, or one line of JSON. */
void loadprofile_tell(const struct load *load,
		      const struct loadprofile *profile);
