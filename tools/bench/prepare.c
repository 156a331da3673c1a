/* SPDX-License-Identifier: MIT */
/* prepare.c - see prepare.h */
#include "tools/bench/prepare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tools/bench/report.h"
#include "tools/bench/rival.h"
#include "tools/bench/row.h"

struct size {
	struct bench_parent parent;
	struct stats pause_ns, prepare_ns, fork_ns;
	uint64_t descriptor_bytes, image_bytes;
};

/* With a daemon the request for an image; else the mount, which makes it. */
static int take_image(struct bench *bench, uint64_t *ret_took_ns)
{
	uint64_t mount_ns;
	int error = host_prepare(bench->host, bench->pid, ret_took_ns);

	if (!error)
		error = host_mount(bench->host, bench->pid, &mount_ns);
	if (!error && !bench->options->tcp)
		*ret_took_ns = mount_ns;
	return error;
}

/* A thread of the parent watches the clock meanwhile. */
static int measure_pause(struct bench *bench, struct size *size)
{
	char rest[PEER_LINE_MAX];
	uint64_t took_ns;
	int error = peer_ask(&bench->parent, "spin", "spinning", NULL, NULL);

	if (!error)
		error = take_image(bench, &took_ns);
	if (!error)
		error = peer_ask(&bench->parent, "gap", "gap", rest, NULL);
	if (!error)
		stats_add(&size->pause_ns, strtoull(rest, NULL, 10));
	return error ? error : host_drop(bench->host);
}

static int measure_prepare(struct bench *bench, struct size *size)
{
	uint64_t took_ns;
	int error = take_image(bench, &took_ns);

	if (!error)
		error = host_status(bench->host, "descriptor_bytes",
				    &size->descriptor_bytes);
	if (!error)
		error = host_image_bytes(bench->host, &size->image_bytes);
	if (!error)
		stats_add(&size->prepare_ns, took_ns);
	return error ? error : host_drop(bench->host);
}

static int measure_fork(struct bench *bench, struct size *size)
{
	struct rival rival;
	int error = rival_start(&bench->parent, bench->dir, &rival);

	if (error)
		return error;
	stats_add(&size->fork_ns, rival.call_ns);
	return rival_end(&bench->parent, &rival);
}

static int measure_size(struct bench *bench, struct size *size)
{
	int error = bench_start_parent(bench, &size->parent);

	for (unsigned i = 0; !error && i < bench->options->runs; i++) {
		error = measure_pause(bench, size);
		if (!error)
			error = measure_fork(bench, size);
		if (!error)
			error = measure_prepare(bench, size);
	}
	bench_stop_parent(bench);
	return error;
}

static void json_phase(const struct options *options, const struct size *size,
		       const char *phase, const struct stats *took_ns)
{
	struct json json = row_begin_of("prepare", options, size->parent.name,
					"mitosisfs");

	json_string(&json, "phase", phase);
	json_u64(&json, "mib", size->parent.mib);
	row_times(&json, took_ns);
	row_ratio(&json, took_ns, &size->fork_ns, "fork");
	json_u64(&json, "descriptor_bytes", size->descriptor_bytes);
	json_u64(&json, "image_bytes", size->image_bytes);
	json_end(&json);
}

static void print_json(const struct options *options, const struct size *size)
{
	struct json json;

	json_phase(options, size, "pause", &size->pause_ns);
	json_phase(options, size, "prepare", &size->prepare_ns);
	json = row_begin_of("prepare", options, size->parent.name, "fork");
	json_string(&json, "phase", "call");
	json_u64(&json, "mib", size->parent.mib);
	row_times(&json, &size->fork_ns);
	json_end(&json);
}

static void print_times(const struct stats *took_ns)
{
	struct stats_summary s = stats_summarize(took_ns);

	(void)printf(" %9.3f %9.3f", s.min / 1e6, s.median / 1e6);
}

static void print_row(const struct size *size)
{
	(void)printf("%-14s", size->parent.name);
	print_times(&size->pause_ns);
	print_times(&size->prepare_ns);
	print_times(&size->fork_ns);
	(void)printf(" %10.2f %11lu\n",
		     stats_ratio(&size->pause_ns, &size->fork_ns),
		     size->descriptor_bytes);
}

static void report(const struct options *options, const struct size *sizes,
		   unsigned nr)
{
	if (!options->json) {
		report_head(options);
		(void)printf(
			"%-14s %19s %19s %19s %10s %11s\n"
			"%-14s %9s %9s %9s %9s %9s %9s\n",
			"ms", "pause", "until prepared", "fork()", "pause/fork",
			"descriptor", "", "min", "median", "min", "median",
			"min", "median");
	}
	for (unsigned i = 0; i < nr; i++) {
		if (options->json)
			print_json(options, &sizes[i]);
		else
			print_row(&sizes[i]);
	}
}

int prepare_measure(struct bench *bench)
{
	const struct options *options = bench->options;
	unsigned nr = options->list.nr;
	struct size *sizes CLEANUP_FREE = calloc(nr, sizeof(*sizes));
	int error = sizes ? 0 : -ENOMEM;

	for (unsigned i = 0; !error && i < nr; i++) {
		struct bench_parent *parent = &sizes[i].parent;

		parent->python = options->parent.python;
		parent->mib = options->list.items[i];
		(void)snprintf(parent->name, sizeof(parent->name), "%s-%um",
			       parent->python ? "python" : "c", parent->mib);
		error = measure_size(bench, &sizes[i]);
	}
	if (!error)
		report(options, sizes, nr);
	return error;
}
