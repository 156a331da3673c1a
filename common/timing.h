/* SPDX-License-Identifier: MIT */
/*
 * timing.h - how often something took how long, in few buckets that double
 *
 *     bucket   0      1        2        ...  23       24
 *     up to    1 us   2 us     4 us          8.4 s    any
 *
 * Pure; the caller locks.  Fixed buckets, so that two of them can be added up
 * and one fits a message (common/report.h).
 */
#pragma once

#include <stdint.h>

#include "common/hist.h"

#define TIMING_BUCKETS 25u

struct timing {
	uint64_t count[TIMING_BUCKETS]; /* of each bucket alone */
	uint64_t sum_ns;
};

/* Count one of @ns. */
void timing_add(struct timing *timing, uint64_t ns);

/* Count all samples of @hist, as nanoseconds: to 1.6 % in their buckets. */
void timing_add_all(struct timing *timing, const struct hist *hist);

/* The longest time of @bucket; UINT64_MAX of the last one. */
uint64_t timing_bound_ns(unsigned bucket);

/* How many there are in all buckets. */
uint64_t timing_total(const struct timing *timing);
