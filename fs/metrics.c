/* SPDX-License-Identifier: MIT */
#include "fs/metrics.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "common/prom.h"
#include "config.h"
#include "fs/stashing.h"

static void put_info(struct prom *prom, const struct status_origin *origin)
{
	char transport[STATUS_TRANSPORT_MAX + 1];
	const struct prom_label labels[] = {{"version", MITOSIS_VERSION},
					    {"source", origin->source},
					    {"image", origin->name},
					    {"transport", transport},
					    {0}};

	origin->transport(origin->arg, transport);
	transport[strcspn(transport, " :(")] = '\0'; /* "verbs (mlx5_0)" */
	prom_family(prom, "mitosisfs_info", PROM_GAUGE,
		    "What is mounted and how its pages come; always 1.");
	prom_u64(prom, labels, 1);
}

static void put_image(struct prom *prom, const struct status_origin *origin)
{
	const struct image *image = origin->image;

	prom_family(prom, "mitosisfs_image_present_bytes", PROM_GAUGE,
		    "What the image has: its pages that are no holes.");
	prom_u64(prom, NULL,
		 image_present_pages(image, 0, UINT64_MAX >> PAGE_SHIFT)
			 << PAGE_SHIFT);
	prom_family(prom, "mitosisfs_image_pause_seconds", PROM_GAUGE,
		    "How long the parent stood still for the image.");
	prom_seconds(prom, NULL, image->pause_ns);
	prom_family(prom, "mitosisfs_mount_seconds", PROM_GAUGE,
		    "From the request to the mount that answers.");
	prom_seconds(prom, NULL, origin->mount_ns);
}

static void put_tier(struct prom *prom, const struct status_origin *origin)
{
	struct warm_state state;

	warm_get_state(origin->warm, &state);
	prom_family(prom, "mitosisfs_warm", PROM_GAUGE,
		    "1 when children map the image and ask nobody, else 0.");
	prom_u64(prom, NULL, state.tier == WARM_WARM);
	prom_family(prom, "mitosisfs_warm_bytes", PROM_GAUGE,
		    "Memory of the file that they map then.");
	prom_u64(prom, NULL, state.file_bytes);
}

static void put_up(struct prom *prom, const struct status_origin *origin,
		   const struct fetch_stats *stats)
{
	int alive = !origin->alive || origin->alive(origin->arg);

	prom_family(prom, "mitosisfs_up", PROM_GAUGE,
		    "1 while pages can be fetched, 0 once the image is gone "
		    "or its host is lost.");
	prom_u64(prom, NULL, alive && !stats->is_lost);
}

struct row {
	const char *name, *help;
	size_t offset; /* in struct fetch_stats */
	unsigned unit; /* of the field, in the metric's unit */
};

#define ROW(name, field, unit, help)                                           \
	{                                                                      \
		"mitosisfs_" name "_total", help,                              \
			offsetof(struct fetch_stats, field), unit              \
	}

static void put_counters(struct prom *prom, const struct fetch_stats *stats)
{
	static const struct row rows[] = {
		ROW("faults", demand_reads, 1,
		    "Reads of pages that somebody waited for."),
		ROW("fault_bytes", demand_pages, PAGE_BYTES,
		    "What these asked for, holes too."),
		ROW("fault_errors", demand_errors, 1,
		    "Those that ended without the bytes."),
		ROW("fault_shared_bytes", shared_pages, PAGE_BYTES,
		    "What these found on its way here already."),
		ROW("fetched_bytes", read_bytes, 1,
		    "What came over the transport."),
		ROW("prefetches", prefetch_reads, 1,
		    "Fetches ahead of demand that arrived."),
		ROW("prefetched_bytes", prefetch_pages, PAGE_BYTES,
		    "What these brought."),
		ROW("likely_bytes", likely_pages, PAGE_BYTES,
		    "Of these, what a child's start was likely to need."),
		ROW("likely_used_bytes", likely_used_pages, PAGE_BYTES,
		    "Of these, what faults have taken."),
		ROW("retries", retries, 1,
		    "Fetches tried again on the same connection."),
		ROW("reconnects", reconnects, 1, "Connections made anew."),
		ROW("timeouts", timeouts, 1,
		    "Fetches whose time was over, which broke a connection."),
		ROW("fetch_errors", errors, 1,
		    "Fetches that ended without the bytes."),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *at = (const char *)stats + rows[i].offset;
		uint64_t value;

		memcpy(&value, at, sizeof(value));
		prom_family(prom, rows[i].name, PROM_COUNTER, rows[i].help);
		prom_u64(prom, NULL, value * rows[i].unit);
	}
}

static void put_pages(struct prom *prom, const char *key, const char *value,
		      uint64_t pages)
{
	const struct prom_label labels[] = {{key, value}, {0}};

	prom_u64(prom, labels, pages << PAGE_SHIFT);
}

static void put_foreseen(struct prom *prom, const struct foreseen_stats *stats)
{
	prom_family(prom, "mitosisfs_prefetch_hit_bytes_total", PROM_COUNTER,
		    "Fetched ahead and wanted: asked for here or on the way, "
		    "passed by its stream of faults, or seen in a child at its "
		    "end.");
	put_pages(prom, "how", "joined", stats->joined_pages);
	put_pages(prom, "how", "passed", stats->passed_pages);
	put_pages(prom, "how", "seen", stats->seen_pages);
	prom_family(prom, "mitosisfs_prefetch_waste_bytes_total", PROM_COUNTER,
		    "Fetched ahead in vain: fetched again by a fault, lost "
		    "on the way, or given up before anybody asked.");
	put_pages(prom, "why", "again", stats->again_pages);
	put_pages(prom, "why", "lost", stats->lost_pages);
	put_pages(prom, "why", "dropped", stats->dropped_pages);
}

static void put_faults(struct prom *prom, struct fetch *fetch)
{
	CLEANUP_FREE struct latency *latency = malloc(sizeof(*latency));

	if (!latency)
		return;
	fetch_get_latency(fetch, latency);
	prom_family(prom, "mitosisfs_fault_duration_seconds", PROM_HISTOGRAM,
		    "How long those who waited for memory waited, by what they "
		    "waited for.");
	for (int how = 0; how < LATENCY_HOWS; how++) {
		const struct prom_label labels[] = {
			{"how", latency_name((enum latency_how)how)}, {0}};
		struct timing faults = {0};

		timing_add_all(&faults, &latency->by[how]);
		prom_histogram(prom, labels, &faults);
	}
}

static void put_fetches(struct prom *prom, const struct fetch_stats *stats)
{
	prom_family(prom, "mitosisfs_fetches_total", PROM_COUNTER,
		    "Good reads over the transport, ahead of demand or not.");
	prom_u64(prom, NULL, timing_total(&stats->read_took));
	prom_family(prom, "mitosisfs_fetch_duration_seconds", PROM_HISTOGRAM,
		    "How long good reads over the transport took.");
	prom_histogram(prom, NULL, &stats->read_took);
}

char *metrics_text(const struct status_origin *origin, struct fetch *fetch)
{
	char *text = NULL;
	size_t len;
	struct fetch_stats stats;
	struct prom prom;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fetch_get_stats(fetch, &stats);
	prom = prom_to(out, PROM_TEXT);
	put_info(&prom, origin);
	put_up(&prom, origin, &stats);
	put_image(&prom, origin);
	put_tier(&prom, origin);
	put_counters(&prom, &stats);
	put_foreseen(&prom, &stats.foreseen);
	if (origin->stashing)
		stashing_metrics(&prom, origin->stashing);
	put_faults(&prom, fetch);
	put_fetches(&prom, &stats);
	prom_end(&prom);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
