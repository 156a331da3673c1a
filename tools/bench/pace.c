/* SPDX-License-Identifier: MIT */
/* pace.c - see pace.h */
#include "tools/bench/pace.h"

#include <stdio.h>

#include "tools/bench/report.h"
#include "tools/bench/row.h"

#define MIB (1024.0 * 1024.0)

static void print_json(const struct options *options,
		       const struct pace_table *table, const struct pace *pace)
{
	const struct pace *reference = &table->paces[table->reference];
	struct json json = row_begin(table->benchmark, options, pace->field);

	json_u64(&json, "bytes", table->bytes);
	row_times(&json, &pace->took_ns);
	if (pace != reference)
		row_ratio(&json, &pace->took_ns, &reference->took_ns,
			  reference->field);
	json_end(&json);
}

static void print_row(const struct pace_table *table, const struct pace *pace)
{
	const struct pace *reference = &table->paces[table->reference];
	struct stats_summary s = stats_summarize(&pace->took_ns);

	(void)printf("%-30s %8.1f %8.1f %8.1f %8.0f %8.2f\n", pace->words,
		     s.min / 1e6, s.median / 1e6, s.max / 1e6,
		     s.median ? table->bytes / MIB / (s.median / 1e9) : 0,
		     stats_ratio(&reference->took_ns, &pace->took_ns));
}

void pace_report(const struct options *options, const struct pace_table *table)
{
	if (!options->json) {
		report_head(options);
		(void)printf("%-30s %8s %8s %8s %8s %8s\n", "ms", "min",
			     "median", "max", "MiB/s", "share");
	}
	for (unsigned i = 0; i < table->nr; i++) {
		if (options->json)
			print_json(options, table, &table->paces[i]);
		else
			print_row(table, &table->paces[i]);
	}
}
