/* SPDX-License-Identifier: MIT */
/* fault_report.c - a table for each pass, or lines of JSON */
#include <stdio.h>

#include "fs/channel.h"
#include "tools/bench/fault.h"
#include "tools/bench/report.h"

#define US 1e3

static const char *const who_fields[FAULT_WHO_END] = {
	[FAULT_OURS] = "mitosisfs",
	[FAULT_NULL] = "null",
};

static const char *transport(const struct fault_options *options)
{
	return options->bench.tcp ? "tcp" : "local";
}

void fault_report_head(const struct fault_options *options)
{
	if (options->bench.json)
		return;
	(void)printf(
		"one fault, transport %s, fuse %s, %u threads, %u rounds of "
		"%u\n",
		transport(options), channel_name(options->uring),
		options->threads, options->bench.runs, options->touches);
	report_machine();
}

/* least, p50 of the rounds (min median max), p99 */
static void print_cell(const struct fault_cell *cell)
{
	struct stats_summary p50 = stats_summarize(&cell->p50_ns);

	(void)printf("  %6.1f %6.1f %6.1f %6.1f %7.1f",
		     (double)cell->ns.min / US, (double)p50.min / US,
		     (double)p50.median / US, (double)p50.max / US,
		     (double)hist_percentile(&cell->ns, 99) / US);
}

static void print_table(const struct fault_pass *pass)
{
	(void)printf(
		"%s, us\n"
		"%-28s  %-35s  %-35s\n"
		"%-28s  %6s %6s %6s %6s %7s  %6s %6s %6s %6s %7s  %6s\n",
		pass->is_bound ? "all on one CPU" : "on any CPU", "",
		"mitosisfs: p50 of the rounds", "null file system", "", "least",
		"min", "median", "max", "p99", "least", "min", "median", "max",
		"p99", "ratio");
	for (int i = 0; i < FAULT_ROWS; i++) {
		const struct fault_cell *cells = pass->cells[i];

		if (!cells[FAULT_OURS].ns.nr)
			continue;
		(void)printf("%-28s", fault_rows[i].name);
		print_cell(&cells[FAULT_OURS]);
		print_cell(&cells[FAULT_NULL]);
		(void)printf("  %6.2f\n",
			     stats_ratio(&cells[FAULT_OURS].p50_ns,
					 &cells[FAULT_NULL].p50_ns));
	}
	for (int i = 0; i < FLOOR_END; i++) {
		(void)printf("%-28s  %-35s", floor_names[i], "");
		print_cell(&pass->floors[i]);
		(void)putchar('\n');
	}
	(void)putchar('\n');
}

static void print_json(const struct fault_options *options,
		       const struct fault_pass *pass, const char *row,
		       const char *who)
{
	(void)printf(
		"{\"benchmark\": \"fault\", \"transport\": \"%s\", "
		"\"fuse\": \"%s\", \"threads\": %u, \"one_cpu\": %s, "
		"\"row\": \"%s\", \"who\": \"%s\", ",
		transport(options), channel_name(options->uring),
		options->threads, pass->is_bound ? "true" : "false", row, who);
}

static void print_json_cell(const struct fault_cell *cell, double ratio)
{
	struct stats_summary p50 = stats_summarize(&cell->p50_ns);

	(void)printf(
		"\"rounds\": %u, \"samples\": %lu, \"min_ns\": %lu, "
		"\"p50_min_ns\": %lu, \"p50_ns\": %lu, "
		"\"p50_max_ns\": %lu, \"p99_ns\": %lu",
		cell->p50_ns.nr, cell->ns.nr, cell->ns.min, p50.min, p50.median,
		p50.max, hist_percentile(&cell->ns, 99));
	if (ratio > 0)
		(void)printf(", \"beside\": \"null\", \"ratio\": %.3f", ratio);
	(void)puts("}");
}

static void print_lines(const struct fault_options *options,
			const struct fault_pass *pass)
{
	for (int i = 0; i < FAULT_ROWS; i++) {
		const struct fault_cell *cells = pass->cells[i];
		double ratio = stats_ratio(&cells[FAULT_OURS].p50_ns,
					   &cells[FAULT_NULL].p50_ns);

		for (int who = 0; cells->ns.nr && who < FAULT_WHO_END; who++) {
			print_json(options, pass, fault_rows[i].field,
				   who_fields[who]);
			print_json_cell(&cells[who],
					who == FAULT_OURS ? ratio : 0);
		}
	}
	for (int i = 0; i < FLOOR_END; i++) {
		print_json(options, pass, floor_fields[i], "kernel");
		print_json_cell(&pass->floors[i], 0);
	}
}

void fault_report(const struct fault_options *options,
		  const struct fault_pass *pass)
{
	if (options->bench.json)
		print_lines(options, pass);
	else
		print_table(pass);
}
