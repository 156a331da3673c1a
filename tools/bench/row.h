/* SPDX-License-Identifier: MIT */
/*
 * row.h - one line of JSON for one measured thing (docs/benchmarks-json.md)
 *
 * A row begins with what it is, the same for each of its kind, then come its
 * own members, then what was measured.
 */
#pragma once

#include "common/json.h"
#include "tools/bench/options.h"
#include "tools/bench/stats.h"

/* Begin a line on standard output; end it with json_end(). */
struct json row_begin(const char *benchmark, const struct options *options,
		      const char *who);

/* As row_begin(), of another parent than the options say. */
struct json row_begin_of(const char *benchmark, const struct options *options,
			 const char *parent, const char *who);

/* The nanoseconds of the samples: runs, min_ns, median_ns, max_ns. */
void row_times(struct json *json, const struct stats *took_ns);

/*
 * How many times @rival's time @ours takes, round by round, and who that is:
 * ratio and beside.  Nothing when either has no samples.
 */
void row_ratio(struct json *json, const struct stats *ours,
	       const struct stats *rival, const char *beside);
