/* SPDX-License-Identifier: MIT */
/*
 * stats.h - the samples of one measured thing, and what they come to
 */
#pragma once

#include <stdint.h>

#define STATS_SAMPLES_MAX 1000u

struct stats {
	unsigned nr;
	uint64_t samples[STATS_SAMPLES_MAX];
};

struct stats_summary {
	uint64_t min, median, max; /* zeros when there are no samples */
};

/* Add a sample; one too many is left out. */
void stats_add(struct stats *stats, uint64_t sample);

struct stats_summary stats_summarize(const struct stats *stats);

/*
 * How many times @rival's sample @ours is, round by round: the median of that,
 * or 0 when either has no samples.  What the machine did in a round met both.
 */
double stats_ratio(const struct stats *ours, const struct stats *rival);
