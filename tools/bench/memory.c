/* SPDX-License-Identifier: MIT */
/* memory.c - see memory.h */
#include "tools/bench/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tools/bench/crowd.h"
#include "tools/bench/report.h"
#include "tools/bench/row.h"

#define MIB (1024.0 * 1024.0)

const char *const memory_stages[MEMORY_STAGES] = {
	[MEMORY_IDLE] = "idle",
	[MEMORY_WORK] = "work",
	[MEMORY_READALL] = "readall",
};

/* What the children do to get there. */
static int reach(struct bench *bench, struct crowd *crowd, int stage)
{
	if (stage == MEMORY_WORK)
		return crowd_ask(bench, crowd, "work", "work");
	if (stage == MEMORY_READALL)
		return crowd_ask(bench, crowd, "readall", "read");
	return 0;
}

static int measure_crowd(struct bench *bench, struct crowd *crowd,
			 struct memory_row *row)
{
	struct pss *sums = crowd->is_fork ? row->fork : row->ours;
	int error = 0;

	for (int stage = 0; !error && stage < MEMORY_STAGES; stage++) {
		error = reach(bench, crowd, stage);
		if (!error)
			error = crowd_memory(crowd, &sums[stage]);
		/* The guardian is the root of all that was started. */
		if (!error && !crowd->is_fork)
			error = pss_programs(getppid(), &row->programs[stage]);
	}
	return error;
}

static int measure_row(struct bench *bench, struct memory_row *row,
		       bool is_fork)
{
	struct crowd *crowd CLEANUP_FREE = calloc(1, sizeof(*crowd));
	int error = crowd ? crowd_open(bench, is_fork, row->children, crowd)
			  : -ENOMEM;

	if (!error)
		error = measure_crowd(bench, crowd, row);
	if (crowd)
		crowd_close(bench, crowd);
	return error;
}

int memory_fill(struct bench *bench, struct memory *memory)
{
	int error = 0;

	for (unsigned i = 0; !error && i < memory->nr; i++)
		error = measure_row(bench, &memory->rows[i], true);
	if (!error)
		error = bench_take_image(bench);
	if (!error)
		error = host_image_bytes(bench->host, &memory->image_bytes);
	for (unsigned i = 0; !error && i < memory->nr; i++)
		error = measure_row(bench, &memory->rows[i], false);
	return error ? error : host_drop(bench->host);
}

static void json_stage(const struct options *options,
		       const struct memory *memory,
		       const struct memory_row *row, int stage)
{
	const struct pss_programs *programs = &row->programs[stage];
	uint64_t all = row->ours[stage].pss_bytes + programs->loaders.pss_bytes;
	uint64_t fork = row->fork[stage].pss_bytes;
	struct json json = row_begin("memory", options, "mitosisfs");

	json_string(&json, "phase", memory_stages[stage]);
	json_u64(&json, "children", row->children);
	json_u64(&json, "image_bytes", memory->image_bytes);
	json_u64(&json, "pss_bytes", row->ours[stage].pss_bytes);
	json_u64(&json, "written_bytes", row->ours[stage].written_bytes);
	json_u64(&json, "loaders_bytes", programs->loaders.pss_bytes);
	json_u64(&json, "servers_bytes", programs->servers.pss_bytes);
	json_u64(&json, "twins_bytes", programs->twins.pss_bytes);
	json_string(&json, "beside", "fork");
	json_double(&json, "ratio", fork ? (double)all / (double)fork : 0);
	json_end(&json);
	json = row_begin("memory", options, "fork");
	json_string(&json, "phase", memory_stages[stage]);
	json_u64(&json, "children", row->children);
	json_u64(&json, "pss_bytes", fork);
	json_u64(&json, "written_bytes", row->fork[stage].written_bytes);
	json_end(&json);
}

/* MiB of each child that came since the row before. */
static double further(const struct memory_row *row, uint64_t now,
		      const struct memory_row *before, uint64_t then)
{
	return ((double)now - (double)then) /
	       (row->children - before->children) / MIB;
}

static void print_further(const struct memory_row *row, int stage,
			  const struct memory_row *before)
{
	if (!before || before->children >= row->children) {
		(void)printf(" %9s %9s %9s\n", "-", "-", "-");
		return;
	}
	(void)printf(" %9.2f %9.2f %9.2f\n",
		     further(row,
			     row->ours[stage].pss_bytes +
				     row->programs[stage].loaders.pss_bytes,
			     before,
			     before->ours[stage].pss_bytes +
				     before->programs[stage].loaders.pss_bytes),
		     further(row, row->ours[stage].written_bytes, before,
			     before->ours[stage].written_bytes),
		     further(row, row->fork[stage].pss_bytes, before,
			     before->fork[stage].pss_bytes));
}

static void print_row(const struct memory *memory, unsigned i, int stage)
{
	const struct memory_row *row = &memory->rows[i];
	const struct pss_programs *programs = &row->programs[stage];

	(void)printf("%-8s %8u %9.1f %8.2f %9.1f %9.1f %9.1f %9.1f",
		     memory_stages[stage], row->children,
		     row->ours[stage].pss_bytes / MIB,
		     (double)row->ours[stage].pss_bytes / memory->image_bytes,
		     programs->loaders.pss_bytes / MIB,
		     programs->servers.pss_bytes / MIB,
		     programs->twins.pss_bytes / MIB,
		     row->fork[stage].pss_bytes / MIB);
	print_further(row, stage, i ? row - 1 : NULL);
}

static void report(const struct options *options, const struct memory *memory)
{
	if (!options->json) {
		report_head(options);
		(void)printf(
			"PSS in MiB, one image is %.1f%59s %s\n"
			"%-8s %8s %9s %8s %9s %9s %9s %9s %9s %9s %9s\n",
			memory->image_bytes / MIB, "", "each further child", "",
			"children", "children", "of image", "loaders",
			"servers", "twins", "fork", "ours", "written", "fork");
	}
	for (int stage = 0; stage < MEMORY_STAGES; stage++)
		for (unsigned i = 0; i < memory->nr; i++) {
			if (options->json)
				json_stage(options, memory, &memory->rows[i],
					   stage);
			else
				print_row(memory, i, stage);
		}
}

int memory_measure(struct bench *bench)
{
	const struct options *options = bench->options;
	struct memory *memory CLEANUP_FREE = calloc(1, sizeof(*memory));
	int error = memory ? 0 : -ENOMEM;

	for (unsigned i = 0; memory && i < options->list.nr; i++)
		memory->rows[memory->nr++].children = options->list.items[i];
	if (!error)
		error = memory_fill(bench, memory);
	if (!error)
		report(options, memory);
	return error;
}
