/* SPDX-License-Identifier: MIT */
/*
 * use.h - how many have the image's pages open, and since when nobody has
 *
 * Threads: any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/io.h"

struct use {
	atomic_uint nr;
	atomic_ullong since_ns; /* of the last end, or the start */
};

static inline void use_begin(struct use *use)
{
	use->nr++;
}

/* True for the last of them. */
static inline bool use_end(struct use *use)
{
	use->since_ns = io_monotonic_ns();
	return --use->nr == 0;
}

/* For how long nobody has had them open; 0 while somebody has. */
static inline uint64_t use_idle_ns(struct use *use)
{
	return use->nr ? 0 : io_monotonic_ns() - use->since_ns;
}
