/* SPDX-License-Identifier: MIT */
#include "tools/bench/stats.h"

#include <stdlib.h>
#include <string.h>

void stats_add(struct stats *stats, uint64_t sample)
{
	if (stats->nr < STATS_SAMPLES_MAX)
		stats->samples[stats->nr++] = sample;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct stats_summary stats_summarize(const struct stats *stats)
{
	uint64_t sorted[STATS_SAMPLES_MAX];

	if (!stats->nr)
		return (struct stats_summary){0};
	memcpy(sorted, stats->samples, stats->nr * sizeof(*sorted));
	qsort(sorted, stats->nr, sizeof(*sorted), compare);
	return (struct stats_summary){
		.min = sorted[0],
		.median = sorted[stats->nr / 2],
		.max = sorted[stats->nr - 1],
	};
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double stats_ratio(const struct stats *ours, const struct stats *rival)
{
	unsigned nr = ours->nr < rival->nr ? ours->nr : rival->nr;
	double ratios[STATS_SAMPLES_MAX];

	for (unsigned i = 0; i < nr; i++) {
		if (!rival->samples[i])
			return 0;
		ratios[i] =
			(double)ours->samples[i] / (double)rival->samples[i];
	}
	if (!nr)
		return 0;
	qsort(ratios, nr, sizeof(*ratios), compare_doubles);
	return ratios[nr / 2];
}
