/* SPDX-License-Identifier: MIT */
/*
 * loadprofile.h - what children cost, told when they are over: mitosis-load
 * --profile
 *
 * What the load took and how each child fared is known here; what was moved for
 * them is the mount's to say, in the files "status" and "faults" above the
 * image's directory.  A copy of an image has none, and nothing moves for it.
 */
#pragma once

#include <stdbool.h>

#include "loader/load.h"
#include "loader/outcome.h"

#define LOADPROFILE_KEYS 5

struct latency;
struct loadprofile_child;

struct loadprofile {
	bool json;
	bool has_mount; /* the counters below were there at the beginning */
	uint64_t kb[LOADPROFILE_KEYS];
	struct latency *faults; /* until then; NULL: not known */
	struct loadprofile_child *children;
	unsigned nr_children;
};

/* Look at the mount before the children run. */
void loadprofile_begin(const struct load *load, struct loadprofile *profile);

/* A child has ended; nothing of @outcome is kept. */
void loadprofile_child(struct loadprofile *profile,
		       const struct outcome *outcome);

/* Tell on stderr what came of it, lines or one line of JSON, and free all. */
void loadprofile_tell(const struct load *load, struct loadprofile *profile);
