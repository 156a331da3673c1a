/* SPDX-License-Identifier: MIT */
/* latency_tell.c - see latency_tell.h */
#include "common/latency_tell.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/timing.h"

#define NAME_MAX_BYTES 24

static const struct {
	unsigned percent;
	const char *name;
} marks[] = {{50, "p50"}, {90, "p90"}, {99, "p99"}, {100, "max"}};

#define NR_MARKS (sizeof(marks) / sizeof(marks[0]))

static double us(uint64_t ns)
{
	return (double)ns / 1e3;
}

static void print_buckets(FILE *out, const struct hist *hist)
{
	struct timing timing = {0};

	timing_add_all(&timing, hist);
	(void)fputs("fault_us_up_to:", out);
	for (unsigned i = 0; i < TIMING_BUCKETS - 1; i++)
		if (timing.count[i])
			(void)fprintf(out, " %" PRIu64 "=%" PRIu64,
				      timing_bound_ns(i) / 1000,
				      timing.count[i]);
	if (timing.count[TIMING_BUCKETS - 1])
		(void)fprintf(out, " more=%" PRIu64,
			      timing.count[TIMING_BUCKETS - 1]);
	(void)fputc('\n', out);
}

/* "fault_us_fetched: 12 p50=8.2 p90=9.9 p99=40.2 max=40.2" */
static void print_one(FILE *out, enum latency_how how, const struct hist *hist)
{
	(void)fprintf(out, "fault_us_%s: %" PRIu64, latency_name(how),
		      hist->nr);
	for (size_t i = 0; hist->nr && i < NR_MARKS; i++)
		(void)fprintf(out, " %s=%.1f", marks[i].name,
			      us(hist_percentile(hist, marks[i].percent)));
	(void)fputc('\n', out);
}

void latency_tell_text(FILE *out, const struct latency *latency)
{
	CLEANUP_FREE struct hist *all = calloc(1, sizeof(*all));

	if (!all)
		return;
	latency_merge(latency, all);
	for (size_t i = 0; i < NR_MARKS; i++)
		(void)fprintf(out, "fault_us_%s: %.1f\n", marks[i].name,
			      us(hist_percentile(all, marks[i].percent)));
	print_buckets(out, all);
	for (int how = 0; how < LATENCY_HOWS; how++)
		print_one(out, (enum latency_how)how, &latency->by[how]);
}

/* Buckets that double, each with the samples in it alone. */
static void put_buckets(struct json *json, const struct hist *hist)
{
	struct timing timing = {0};

	timing_add_all(&timing, hist);
	json_array(json, "buckets");
	for (unsigned i = 0; i < TIMING_BUCKETS; i++) {
		if (!timing.count[i])
			continue;
		json_object(json, NULL);
		json_u64(json, "up_to_ns", timing_bound_ns(i));
		json_u64(json, "count", timing.count[i]);
		json_end(json);
	}
	json_end(json);
}

static void put_one(struct json *json, const char *key, const struct hist *hist)
{
	json_object(json, key);
	json_u64(json, "count", hist->nr);
	json_u64(json, "min", hist->min);
	json_u64(json, "sum", hist->sum);
	for (size_t i = 0; i < NR_MARKS; i++)
		json_u64(json, marks[i].name,
			 hist_percentile(hist, marks[i].percent));
	put_buckets(json, hist);
	json_end(json);
}

void latency_tell_json(struct json *json, const struct latency *latency)
{
	CLEANUP_FREE struct hist *all = calloc(1, sizeof(*all));
	char key[NAME_MAX_BYTES];

	if (!all)
		return;
	latency_merge(latency, all);
	put_one(json, "fault_ns", all);
	for (int how = 0; how < LATENCY_HOWS; how++) {
		(void)snprintf(key, sizeof(key), "fault_%s_ns",
			       latency_name((enum latency_how)how));
		put_one(json, key, &latency->by[how]);
	}
}
