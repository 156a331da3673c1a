/* SPDX-License-Identifier: MIT */
#include "fs/profile.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "common/timing.h"

#define PAGE_KB (PAGE_BYTES / 1024)

struct row {
	const char *name;
	uint64_t value;
};

#define ROWS 9

/* The sizes, and what each phase of the mount took. */
static void fill(const struct status_origin *origin,
		 const struct fetch_stats *stats, struct row rows[ROWS])
{
	const struct foreseen_stats *foreseen = &stats->foreseen;
	const struct row all[ROWS] = {
		{"descriptor_bytes", origin->desc_bytes},
		{"open_us", origin->mount_ns / 1000},
		{"tree_us", origin->tree_ns / 1000},
		{"attach_us", origin->attach_ns / 1000},
		{"working_set_kb", stats->faulted_pages * PAGE_KB},
		{"faulted_kb", stats->demand_pages * PAGE_KB},
		{"fetched_kb", stats->read_bytes / 1024},
		{"prefetched_kb", stats->prefetch_pages * PAGE_KB},
		{"prefetched_used_kb",
		 (foreseen->joined_pages + foreseen->passed_pages) * PAGE_KB},
	};

	for (int i = 0; i < ROWS; i++)
		rows[i] = all[i];
}

static const unsigned percents[] = {50, 90, 99, 100};

#define NR_PERCENTS (sizeof(percents) / sizeof(percents[0]))

void profile_print(FILE *out, const struct status_origin *origin,
		   const struct fetch_stats *stats, struct fetch *fetch)
{
	CLEANUP_FREE struct hist *faults = malloc(sizeof(*faults));
	struct row rows[ROWS];

	fill(origin, stats, rows);
	for (int i = 0; i < ROWS; i++)
		fprintf(out, "%s: %" PRIu64 "\n", rows[i].name, rows[i].value);
	if (!faults)
		return;
	fetch_get_latency(fetch, faults);
	for (size_t i = 0; i < NR_PERCENTS; i++)
		fprintf(out, "fault_us_p%u: %.1f\n", percents[i],
			(double)hist_percentile(faults, percents[i]) / 1e3);
}

/* Buckets that double, each with the samples in it alone. */
static void put_buckets(struct json *json, const struct hist *faults)
{
	struct timing timing = {0};

	timing_add_all(&timing, faults);
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

void profile_put(struct json *json, const struct status_origin *origin,
		 const struct fetch_stats *stats, struct fetch *fetch)
{
	CLEANUP_FREE struct hist *faults = malloc(sizeof(*faults));
	struct row rows[ROWS];
	char name[16];

	json_object(json, "profile");
	fill(origin, stats, rows);
	for (int i = 0; i < ROWS; i++)
		json_u64(json, rows[i].name, rows[i].value);
	if (faults) {
		fetch_get_latency(fetch, faults);
		json_object(json, "fault_ns");
		json_u64(json, "count", faults->nr);
		json_u64(json, "min", faults->min);
		json_u64(json, "sum", faults->sum);
		for (size_t i = 0; i < NR_PERCENTS; i++) {
			(void)snprintf(name, sizeof(name), "p%u", percents[i]);
			json_u64(json, name,
				 hist_percentile(faults, percents[i]));
		}
		put_buckets(json, faults);
		json_end(json);
	}
	json_end(json);
}
