/* SPDX-License-Identifier: MIT */
/* xfer_report.c - tables for people, a line of JSON for each side of a cell */
#include <stdio.h>

#include "tools/bench/report.h"
#include "tools/bench/xfer.h"

#define US  1e3
#define MIB 1048576.0

/* "min median max" in units of @unit, or dashes. */
static void print_three(const struct stats *stats, double unit)
{
	struct stats_summary s = stats_summarize(stats);

	if (stats->nr)
		(void)printf(" %8.1f %8.1f %8.1f", (double)s.min / unit,
			     (double)s.median / unit, (double)s.max / unit);
	else
		(void)printf(" %8s %8s %8s", "-", "-", "-");
}

static void print_one(const struct stats *stats, double unit)
{
	if (stats->nr)
		(void)printf(" %8.1f",
			     (double)stats_summarize(stats).median / unit);
	else
		(void)printf(" %8s", "-");
}

static void print_ratio(const struct stats *ours, const struct stats *rival)
{
	double ratio = stats_ratio(ours, rival);

	if (ratio > 0)
		(void)printf("  %6.2f", ratio);
	else
		(void)printf("  %6s", "-");
}

static void print_cell_head(const struct xfer_cell *cell)
{
	(void)printf("%5u KiB %5u", cell->plan.len_bytes / 1024,
		     cell->plan.depth);
}

static void print_latency(const struct xfer *xfer)
{
	(void)printf(
		"latency, us            mitosisfs, p50 of the rounds"
		"                   rival, p50 of the rounds\n"
		"     size depth    least      min   median      max      "
		"p99    least      min   median      max      p99   "
		"ratio  rival\n");
	for (unsigned i = 0; i < xfer->nr_cells; i++) {
		const struct xfer_cell *cell = &xfer->cells[i];

		print_cell_head(cell);
		print_one(&cell->ours.min_ns, US);
		print_three(&cell->ours.p50_ns, US);
		print_one(&cell->ours.p99_ns, US);
		print_one(&cell->rival.min_ns, US);
		print_three(&cell->rival.p50_ns, US);
		print_one(&cell->rival.p99_ns, US);
		print_ratio(&cell->ours.p50_ns, &cell->rival.p50_ns);
		(void)printf("  %s\n", cell->rival_name);
	}
}

static void print_bandwidth(const struct xfer *xfer)
{
	(void)printf(
		"\nbandwidth, MiB/s                mitosisfs"
		"                      rival\n"
		"     size depth      min   median      max      min   "
		"median      max   ratio  rival\n");
	for (unsigned i = 0; i < xfer->nr_cells; i++) {
		const struct xfer_cell *cell = &xfer->cells[i];

		print_cell_head(cell);
		print_three(&cell->ours.bytes_per_s, MIB);
		print_three(&cell->rival.bytes_per_s, MIB);
		print_ratio(&cell->ours.bytes_per_s, &cell->rival.bytes_per_s);
		(void)printf("  %s\n", cell->rival_name);
	}
}

static void print_calls(const struct xfer *xfer)
{
	const struct xfer_calls *calls = &xfer->calls;

	if (!calls->ours_per_s.nr)
		return;
	(void)printf(
		"\nempty calls a second, of %u bytes, in thousands\n"
		"    %3u clients ",
		XFER_CALL_BYTES, xfer->options->call_threads);
	print_three(&calls->ours_per_s, 1e3);
	print_three(&calls->rival_per_s, 1e3);
	print_ratio(&calls->ours_per_s, &calls->rival_per_s);
	(void)printf("  %s\n", calls->rival_name);
}

static void json_summary(const char *name, const struct stats *stats)
{
	struct stats_summary s = stats_summarize(stats);

	if (stats->nr)
		(void)printf(
			", \"%s\": {\"min\": %lu, \"median\": %lu, "
			"\"max\": %lu}",
			name, s.min, s.median, s.max);
}

/* Ours set against the rival's, as a ratio of times: less is better. */
static void json_ratio(const struct stats *longer, const struct stats *shorter,
		       const char *beside)
{
	double ratio = stats_ratio(longer, shorter);

	if (ratio > 0)
		(void)printf(", \"beside\": \"%s\", \"ratio\": %.3f", beside,
			     ratio);
}

static void json_cell_ratio(const struct xfer_cell *cell)
{
	const struct xfer_side *ours = &cell->ours, *rival = &cell->rival;

	if (cell->plan.depth == 1)
		json_ratio(&ours->p50_ns, &rival->p50_ns, cell->rival_name);
	else
		json_ratio(&rival->bytes_per_s, &ours->bytes_per_s,
			   cell->rival_name);
}

static void json_side(const struct xfer *xfer, const struct xfer_cell *cell,
		      const char *who, const struct xfer_side *side)
{
	if (!side->bytes_per_s.nr && !side->p50_ns.nr)
		return;
	(void)printf(
		"{\"benchmark\": \"transport\", \"proto\": \"%s\", "
		"\"who\": \"%s\", \"size_bytes\": %u, \"depth\": %u, "
		"\"reads\": %u, \"rounds\": %u",
		place_proto_name(xfer->options->proto), who,
		cell->plan.len_bytes, cell->plan.depth, cell->plan.reads,
		xfer->options->rounds);
	json_summary("least_ns", &side->min_ns);
	json_summary("p50_ns", &side->p50_ns);
	json_summary("p99_ns", &side->p99_ns);
	json_summary("bytes_per_s", &side->bytes_per_s);
	if (side == &cell->ours)
		json_cell_ratio(cell);
	(void)printf("}\n");
}

static void json_calls(const struct xfer *xfer, const char *who,
		       const struct stats *per_s)
{
	if (!per_s->nr)
		return;
	(void)printf(
		"{\"benchmark\": \"calls\", \"proto\": \"%s\", "
		"\"who\": \"%s\", \"body_bytes\": %u, \"clients\": %u, "
		"\"rounds\": %u",
		place_proto_name(xfer->options->proto), who, XFER_CALL_BYTES,
		xfer->options->call_threads, xfer->options->rounds);
	json_summary("per_s", per_s);
	if (per_s == &xfer->calls.ours_per_s)
		json_ratio(&xfer->calls.rival_per_s, per_s,
			   xfer->calls.rival_name);
	(void)printf("}\n");
}

static void report_json(const struct xfer *xfer)
{
	for (unsigned i = 0; i < xfer->nr_cells; i++) {
		const struct xfer_cell *cell = &xfer->cells[i];

		json_side(xfer, cell, "mitosisfs", &cell->ours);
		json_side(xfer, cell, cell->rival_name, &cell->rival);
	}
	json_calls(xfer, "mitosisfs", &xfer->calls.ours_per_s);
	json_calls(xfer, xfer->calls.rival_name, &xfer->calls.rival_per_s);
}

void xfer_report(const struct xfer *xfer)
{
	if (xfer->options->json) {
		report_json(xfer);
		return;
	}
	(void)printf("page reads, %s, %u rounds\n", xfer->path,
		     xfer->options->rounds);
	report_machine();
	print_latency(xfer);
	print_bandwidth(xfer);
	print_calls(xfer);
}
