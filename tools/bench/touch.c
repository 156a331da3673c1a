/* SPDX-License-Identifier: MIT */
/* touch.c - see touch.h */
#include "tools/bench/touch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "tools/bench/report.h"
#include "tools/bench/rival.h"
#include "tools/bench/row.h"

enum who { FIRST, SECOND, FORK, FLOOR_FILE, FLOOR_ANONYMOUS, WHO_END };

static const char *const fields[WHO_END] = {
	[FIRST] = "mitosisfs",
	[SECOND] = "mitosisfs_second",
	[FORK] = "fork",
	[FLOOR_FILE] = "floor_file",
	[FLOOR_ANONYMOUS] = "floor_anonymous",
};

/* In which order, and how. */
static const struct way {
	const char *order, *access;
} ways[] = {
	{"order", "read"},
	{"random", "read"},
	{"order", "write"},
	{"random", "write"},
};

#define NR_WAYS (sizeof(ways) / sizeof(ways[0]))

struct cell {
	unsigned percent;
	const struct way *way;
	struct stats took_ns[WHO_END];
};

static void put_command(const struct cell *cell, char command[64])
{
	(void)snprintf(command, 64, "touch %u %s %s", cell->percent,
		       cell->way->order, cell->way->access);
}

/* A child answers as its parent would. */
static int touch_as_parent(struct bench *bench, struct cell *cell,
			   struct peer *child, enum who who)
{
	char command[64];
	uint64_t took_ns;
	int error;

	put_command(cell, command);
	error = bench_ask_as_parent(bench, child, command, "touched", &took_ns);
	if (!error)
		stats_add(&cell->took_ns[who], took_ns);
	return error;
}

static int measure_fork(struct bench *bench, struct cell *cell)
{
	struct rival rival;
	int error = rival_start(&bench->parent, bench->dir, &rival), end_error;

	if (error)
		return error;
	error = touch_as_parent(bench, cell, &rival.peer, FORK);
	end_error = rival_end(&bench->parent, &rival);
	return error ? error : end_error;
}

/* Another parent, that has no images. */
static int measure_floor(struct peer *other, struct cell *cell, enum who who)
{
	const char *lay = who == FLOOR_FILE ? "lay file" : "lay anonymous";
	char command[64];
	uint64_t took_ns;
	int error = peer_ask(other, lay, "laid", NULL, NULL);

	put_command(cell, command);
	if (!error)
		error = peer_ask(other, command, "touched", NULL, &took_ns);
	if (!error)
		stats_add(&cell->took_ns[who], took_ns);
	return error;
}

/* A child that finds the mount as it is. */
static int measure_child(struct bench *bench, struct cell *cell, enum who who)
{
	struct peer child CLEANUP(peer_close) = PEER_NONE;
	pid_t pid;
	int error = bench_load(bench, &child, &pid);

	if (!error)
		error = touch_as_parent(bench, cell, &child, who);
	if (!error && who == FIRST)
		error = peer_ask(&child, "readall", "read", NULL, NULL);
	return error;
}

static int measure_ours(struct bench *bench, struct cell *cell)
{
	int error = bench_take_image(bench), drop_error;

	if (!error)
		error = measure_child(bench, cell, FIRST);
	if (!error)
		error = measure_child(bench, cell, SECOND);
	drop_error = host_drop(bench->host);
	return error ? error : drop_error;
}

static int measure_cell(struct bench *bench, struct peer *other,
			struct cell *cell)
{
	int error = measure_fork(bench, cell);

	if (!error)
		error = measure_floor(other, cell, FLOOR_FILE);
	if (!error)
		error = measure_floor(other, cell, FLOOR_ANONYMOUS);
	return error ? error : measure_ours(bench, cell);
}

static void print_json(const struct options *options, const struct cell *cell)
{
	const struct stats *fork = &cell->took_ns[FORK];

	for (int who = 0; who < WHO_END; who++) {
		struct json json = row_begin("touch", options, fields[who]);

		json_string(&json, "order", cell->way->order);
		json_string(&json, "access", cell->way->access);
		json_u64(&json, "percent", cell->percent);
		row_times(&json, &cell->took_ns[who]);
		if (who != FORK)
			row_ratio(&json, &cell->took_ns[who], fork, "fork");
		json_end(&json);
	}
}

static void print_row(const struct cell *cell)
{
	const struct stats *fork = &cell->took_ns[FORK];

	(void)printf("%-6s %-6s %6u%%", cell->way->access, cell->way->order,
		     cell->percent);
	for (int who = 0; who < WHO_END; who++)
		(void)printf(" %10.3f",
			     stats_summarize(&cell->took_ns[who]).median / 1e6);
	(void)printf("  %7.2f %7.2f\n",
		     stats_ratio(&cell->took_ns[FIRST], fork),
		     stats_ratio(&cell->took_ns[SECOND], fork));
}

static void report(const struct options *options, const struct cell *cells,
		   unsigned nr)
{
	if (!options->json) {
		report_head(options);
		(void)printf("%-6s %-6s %7s %10s %10s %10s %10s %10s  %15s\n",
			     "medians", "in ms", "", "first", "second", "fork",
			     "file map", "anonymous", "ratios to fork");
	}
	for (unsigned i = 0; i < nr; i++) {
		if (options->json)
			print_json(options, &cells[i]);
		else
			print_row(&cells[i]);
	}
}

int touch_measure(struct bench *bench)
{
	const struct options_list *percents = &bench->options->list;
	struct bench other = {.parent = PEER_NONE};
	unsigned nr = percents->nr * NR_WAYS;
	struct cell *cells CLEANUP_FREE = calloc(nr, sizeof(*cells));
	int error = cells ? bench_start_parent(&other, &bench->options->parent)
			  : -ENOMEM;

	for (unsigned i = 0; cells && i < nr; i++) {
		cells[i].way = &ways[i / percents->nr];
		cells[i].percent = percents->items[i % percents->nr];
	}
	for (unsigned run = 0; !error && run < bench->options->runs; run++)
		for (unsigned i = 0; !error && i < nr; i++)
			error = measure_cell(bench, &other.parent, &cells[i]);
	bench_stop_parent(&other);
	if (!error)
		report(bench->options, cells, nr);
	return error;
}
