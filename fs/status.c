/* SPDX-License-Identifier: MIT */
#include "fs/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"

#define STATE_OF(alive) ((alive) ? "ready" : "gone: reads of new pages fail")

static void print_image(FILE *out, const struct status_origin *origin,
			int is_lost)
{
	const struct image *image = origin->image;
	int alive = !is_lost && (!origin->alive || origin->alive(origin->arg));
	char transport[STATUS_TRANSPORT_MAX + 1];

	origin->transport(origin->arg, transport);
	fprintf(out, "source: %s\n", origin->source);
	fprintf(out, "transport: %s\n", transport);
	if (origin->name[0])
		fprintf(out, "image: %s\n", origin->name);
	fprintf(out, "state: %s\n", STATE_OF(alive));
	fprintf(out, "process: %d (%s) of %s\n", image->host_pid, image->comm,
		image->hostname);
	fprintf(out, "threads: %u\n", image->nr_threads);
	fprintf(out, "areas: %u\n", image->nr_vmas);
	fprintf(out, "pause_us: %" PRIu64 "\n", image->pause_ns / 1000);
	fprintf(out, "prepare_us: %" PRIu64 "\n", image->prepare_ns / 1000);
	fprintf(out, "mount_us: %" PRIu64 "\n", origin->mount_ns / 1000);
	fprintf(out, "pages_present: %" PRIu64 "\n",
		image_present_pages(image, 0, UINT64_MAX >> 12));
}

static void print_fetch(FILE *out, const struct fetch_stats *stats)
{
	const struct {
		const char *name;
		uint64_t value;
	} lines[] = {
		{"reads_demand", stats->demand_reads},
		{"pages_demand", stats->demand_pages},
		{"pages_shared_in_flight", stats->shared_pages},
		{"reads_prefetch", stats->prefetch_reads},
		{"pages_prefetch", stats->prefetch_pages},
		{"bytes_read", stats->read_bytes},
		{"retries", stats->retries},
		{"reconnects", stats->reconnects},
		{"timeouts", stats->timeouts},
		{"errors", stats->errors},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		fprintf(out, "%s: %" PRIu64 "\n", lines[i].name,
			lines[i].value);
}

char *status_text(const struct status_origin *origin, struct fetch *fetch)
{
	char *text = NULL;
	size_t len;
	struct fetch_stats stats;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fetch_get_stats(fetch, &stats);
	print_image(out, origin, stats.is_lost);
	print_fetch(out, &stats);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
