/* SPDX-License-Identifier: MIT */
/*
 * latency.h - how long those waited who wanted a page, by what they waited for
 *
 *     here     nothing: zeros, or pages that had come ahead and lay here
 *     joined   a fetch that was on its way already, for another or ahead
 *     fetched  a fetch of its own, at least for a part
 *
 * As text it is a line for each bucket that is not empty, so that two texts can
 * be taken from one another: what came between.
 *
 *     fetched 8191 12        12 fetches of at most 8191 ns, more than the line
 *     fetched 8319 40        before it says
 *
 * Pure; the caller locks.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "common/hist.h"

enum latency_how {
	LATENCY_HERE,
	LATENCY_JOINED,
	LATENCY_FETCHED,
	LATENCY_HOWS,
};

/* All in nanoseconds. */
struct latency {
	struct hist by[LATENCY_HOWS];
};

/* "here", "joined", "fetched". */
const char *latency_name(enum latency_how how);

/* Add all of @latency to @all. */
void latency_merge(const struct latency *latency, struct hist *all);

/* Write it, without its minima, maxima and sums. */
void latency_write(FILE *out, const struct latency *latency);

/*
 * Read what latency_write() wrote; it may come from anybody.  Minima, maxima
 * and sums are those of the buckets' ends.  *@ret is zeroed by the caller.
 * Returns 0, or -EPROTO, after which *@ret has no meaning.
 */
int latency_read(const char *text, struct latency *ret);

/* Take from @latency what @before has; never below nothing. */
void latency_subtract(struct latency *latency, const struct latency *before);
