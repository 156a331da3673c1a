/* SPDX-License-Identifier: MIT */
#include "fs/profile.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/latency_tell.h"
#include "common/page.h"
#include "common/phase.h"
#include "fs/childnotes.h"

#define PAGE_KB (PAGE_BYTES / 1024)

struct row {
	const char *name;
	uint64_t value;
};

#define ROWS 14

/* The sizes, and what each phase of the mount took. */
static void fill(const struct status_origin *origin,
		 const struct fetch_stats *stats, struct row rows[ROWS])
{
	const struct foreseen_stats *foreseen = &stats->foreseen;
	const struct row all[ROWS] = {
		{"descriptor_bytes", origin->desc_bytes},
		{"open_us", origin->mount_ns / 1000},
		{"open_snapshot_us", origin->snapshot_ns / 1000},
		{"open_descriptor_us", origin->descriptor_ns / 1000},
		{"open_decode_us", origin->decode_ns / 1000},
		{"tree_us", origin->tree_ns / 1000},
		{"attach_us", origin->attach_ns / 1000},
		{"working_set_kb", stats->faulted_pages * PAGE_KB},
		{"faulted_kb", stats->demand_pages * PAGE_KB},
		{"fetched_kb", stats->read_bytes / 1024},
		{"prefetched_kb", stats->prefetch_pages * PAGE_KB},
		{"prefetched_used_kb",
		 (foreseen->joined_pages + foreseen->passed_pages +
		  foreseen->seen_pages) *
			 PAGE_KB},
		{"likely_kb", stats->likely_pages * PAGE_KB},
		{"likely_used_kb", stats->likely_used_pages * PAGE_KB},
	};

	for (int i = 0; i < ROWS; i++)
		rows[i] = all[i];
}

/* The phases of the last load that a loader has told of; their number. */
static int load_phases(const struct status_origin *origin,
		       struct childnote_load *ret_load)
{
	uint32_t nr = 0;

	if (origin->notes && childnotes_loads(origin->notes, ret_load))
		nr = ret_load->nr_phases;
	return nr < PHASES ? (int)nr : PHASES;
}

void profile_print(FILE *out, const struct status_origin *origin,
		   const struct fetch_stats *stats, struct fetch *fetch)
{
	CLEANUP_FREE struct latency *latency = malloc(sizeof(*latency));
	struct childnote_load load;
	struct row rows[ROWS];
	int nr_phases;

	fill(origin, stats, rows);
	for (int phase = 0; phase < IMAGE_PHASES; phase++)
		fprintf(out, "prepare_%s_us: %" PRIu64 "\n",
			image_phase_name((enum image_phase)phase),
			origin->image->phase_ns[phase] / 1000);
	for (int i = 0; i < ROWS; i++)
		fprintf(out, "%s: %" PRIu64 "\n", rows[i].name, rows[i].value);
	nr_phases = load_phases(origin, &load);
	for (int i = 0; i < nr_phases; i++)
		fprintf(out, "load_%s_us: %" PRIu64 "\n",
			phase_key((enum phase)i), load.phase_us[i]);
	if (!latency)
		return;
	fetch_get_latency(fetch, latency);
	latency_tell_text(out, latency);
}

void profile_put(struct json *json, const struct status_origin *origin,
		 const struct fetch_stats *stats, struct fetch *fetch)
{
	CLEANUP_FREE struct latency *latency = malloc(sizeof(*latency));
	struct childnote_load load;
	struct row rows[ROWS];
	int nr_phases;

	json_object(json, "profile");
	for (int phase = 0; phase < IMAGE_PHASES; phase++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "prepare_%s_us",
			       image_phase_name((enum image_phase)phase));
		json_u64(json, name, origin->image->phase_ns[phase] / 1000);
	}
	fill(origin, stats, rows);
	for (int i = 0; i < ROWS; i++)
		json_u64(json, rows[i].name, rows[i].value);
	nr_phases = load_phases(origin, &load);
	for (int i = 0; i < nr_phases; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "load_%s_us",
			       phase_key((enum phase)i));
		json_u64(json, name, load.phase_us[i]);
	}
	if (latency) {
		fetch_get_latency(fetch, latency);
		latency_tell_json(json, latency);
	}
	json_end(json);
}
