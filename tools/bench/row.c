/* SPDX-License-Identifier: MIT */
/* row.c - see row.h */
#include "tools/bench/row.h"

#include <stdio.h>

struct json row_begin_of(const char *benchmark, const struct options *options,
			 const char *parent, const char *who)
{
	struct json json = json_to(stdout);

	json.one_line = true;
	json_object(&json, NULL);
	json_string(&json, "benchmark", benchmark);
	json_string(&json, "parent", parent);
	json_string(&json, "transport", options->tcp ? "tcp" : "local");
	if (options->delay_us)
		json_u64(&json, "delay_us", options->delay_us);
	json_string(&json, "memory", options->memory);
	if (options->mount)
		json_string(&json, "options", options->mount);
	json_string(&json, "who", who);
	return json;
}

struct json row_begin(const char *benchmark, const struct options *options,
		      const char *who)
{
	return row_begin_of(benchmark, options, options->parent.name, who);
}

void row_times(struct json *json, const struct stats *took_ns)
{
	struct stats_summary s = stats_summarize(took_ns);

	json_u64(json, "runs", took_ns->nr);
	json_u64(json, "min_ns", s.min);
	json_u64(json, "median_ns", s.median);
	json_u64(json, "max_ns", s.max);
}

void row_ratio(struct json *json, const struct stats *ours,
	       const struct stats *rival, const char *beside)
{
	double ratio = stats_ratio(ours, rival);

	if (ratio <= 0)
		return;
	json_string(json, "beside", beside);
	json_double(json, "ratio", ratio);
}
