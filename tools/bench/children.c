/* SPDX-License-Identifier: MIT */
/* children.c - see children.h */
#include "tools/bench/children.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"
#include "tools/bench/pss.h"
#include "tools/bench/report.h"
#include "tools/bench/row.h"
#include "tools/bench/serving.h"

#define CHILDREN_A_ROUND 256u /* about: whole waves; of a hello world */
#define WORKERS_A_ROUND	 32u  /* of others */
#define MIB		 (1024.0 * 1024.0)

/* Of one number of children at once; each sample is one child's share. */
struct children {
	unsigned at_once;
	struct stats wall_ns[2], cpu_ns[2]; /* ours, fork's */
	struct pss pss; /* all that live, once each answered */
	struct pss loader;
};

enum { OURS, FORK };

static const char *request(const struct bench *bench)
{
	return bench->options->parent.mib ? "work" : "ping";
}

static unsigned a_round(const struct options *options)
{
	return options->parent.mib ? WORKERS_A_ROUND : CHILDREN_A_ROUND;
}

static unsigned nr_of(const struct options *options, const struct children *row)
{
	unsigned waves = a_round(options) / row->at_once;

	return row->at_once * (waves ? waves : 1);
}

static uint64_t own_cpu_ns(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
		       1000000000u +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) *
		       1000u;
}

static int measure_fork(struct bench *bench, struct children *row)
{
	char command[64], rest[PEER_LINE_MAX];
	uint64_t wall_ns, cpu_ns;
	unsigned nr = nr_of(bench->options, row);
	int error;

	(void)snprintf(command, sizeof(command), "forks %u %u %s", nr,
		       row->at_once, request(bench));
	error = peer_ask(&bench->parent, command, "forks", rest, NULL);
	if (error)
		return error;
	if (sscanf(rest, "%lu %lu", &wall_ns, &cpu_ns) != 2)
		return -EPROTO;
	stats_add(&row->wall_ns[FORK], wall_ns / nr);
	stats_add(&row->cpu_ns[FORK], cpu_ns / nr);
	return 0;
}

/* The answer, whatever it is: that it is right, others see to. */
static int hear(const struct serving_child *child)
{
	char answer[256];

	if (read(child->from_fd, answer, sizeof(answer)) > 0)
		return 0;
	say_error("a child did not answer");
	return -EPIPE;
}

static int ask(struct bench *bench, const struct serving *serving,
	       bool wants_pid, struct serving_child *child)
{
	char line[16];
	int error = serving_ask(serving, wants_pid, child);

	(void)snprintf(line, sizeof(line), "%s\n", request(bench));
	if (!error)
		error = io_write_all(child->to_fd, line, strlen(line));
	return error;
}

static int end_all(struct serving_child *children, unsigned nr)
{
	int error = 0;

	for (unsigned i = 0; i < nr; i++)
		cleanup_close(&children[i].to_fd);
	for (unsigned i = 0; i < nr; i++) {
		int end_error;

		children[i].to_fd = -1;
		end_error = serving_end(&children[i]);
		error = error ? error : end_error;
	}
	return error;
}

static int wave(struct bench *bench, const struct serving *serving, unsigned nr)
{
	struct serving_child children[OPTIONS_CHILDREN_MAX];
	unsigned asked = 0;
	int error = 0, end_error;

	while (!error && asked < nr) {
		struct serving_child *child = &children[asked++];

		error = ask(bench, serving, false, child);
		/* The end of its requests: it answers one, and ends. */
		cleanup_close(&child->to_fd);
		child->to_fd = -1;
	}
	for (unsigned i = 0; !error && i < nr; i++)
		error = hear(&children[i]);
	end_error = end_all(children, asked);
	return error ? error : end_error;
}

static int measure_ours(struct bench *bench, struct children *row)
{
	unsigned nr = nr_of(bench->options, row);
	uint64_t start_ns, wall_ns, cpu_ns, own_ns;
	struct serving serving;
	int error = serving_start(bench, row->at_once, &serving), end_error;

	if (error)
		return error;
	/* The first wave makes what the others find. */
	error = wave(bench, &serving, row->at_once);
	start_ns = io_monotonic_ns();
	own_ns = own_cpu_ns();
	for (unsigned i = 0; !error && i < nr; i += row->at_once)
		error = wave(bench, &serving, row->at_once);
	wall_ns = io_monotonic_ns() - start_ns;
	own_ns = own_cpu_ns() - own_ns;
	end_error = serving_stop(&serving, &cpu_ns);
	if (error || end_error)
		return error ? error : end_error;
	stats_add(&row->wall_ns[OURS], wall_ns / nr);
	stats_add(&row->cpu_ns[OURS],
		  own_ns / nr + cpu_ns / (nr + row->at_once));
	return 0;
}

static int weigh(struct bench *bench, const struct serving *serving,
		 struct children *row)
{
	struct serving_child children[OPTIONS_CHILDREN_MAX];
	unsigned asked = 0;
	int error = 0, end_error;

	while (!error && asked < row->at_once) {
		error = ask(bench, serving, true, &children[asked]);
		if (!error)
			error = hear(&children[asked]);
		asked++;
	}
	for (unsigned i = 0; !error && i < asked; i++) {
		pid_t pid;

		error = serving_pid(&children[i], &pid);
		if (!error)
			error = pss_add(pid, &row->pss);
	}
	/* Its inits share its memory. */
	if (!error)
		error = pss_add(serving->pid, &row->loader);
	end_error = end_all(children, asked);
	return error ? error : end_error;
}

static int measure_memory(struct bench *bench, struct children *row)
{
	struct serving serving;
	uint64_t cpu_ns;
	int error = serving_start(bench, row->at_once, &serving), end_error;

	if (error)
		return error;
	error = weigh(bench, &serving, row);
	end_error = serving_stop(&serving, &cpu_ns);
	return error ? error : end_error;
}

static void print_head(const struct options *options)
{
	if (options->json)
		return;
	(void)printf(
		"parent %s, transport %s, memory %s, %u rounds of about "
		"%u children\n",
		options->parent.name, options->tcp ? "tcp" : "local",
		options->memory, options->runs, a_round(options));
	report_machine();
	(void)printf(
		"%7s  %21s  %21s  %6s  %9s %9s\n%7s  %10s %10s  %10s "
		"%10s  %6s  %9s %9s\n",
		"", "mitosisfs", "fork", "ratio", "a further child,", "",
		"at once", "per s,core", "per s", "per s,core", "per s",
		"of CPU", "PSS MiB", "written");
}

static uint64_t median(const struct stats *stats)
{
	return stats_summarize(stats).median;
}

static double a_second(const struct stats *stats)
{
	uint64_t ns = median(stats);

	return ns ? 1e9 / (double)ns : 0;
}

/* Bytes of each child that came since the row before. */
static double further(const struct children *row, const struct children *before)
{
	uint64_t now = row->pss.pss_bytes + row->loader.pss_bytes;
	uint64_t then = before->pss.pss_bytes + before->loader.pss_bytes;

	return ((double)now - (double)then) / (row->at_once - before->at_once);
}

static void print_row(const struct children *row, const struct children *before)
{
	(void)printf(
		"%7u  %10.0f %10.0f  %10.0f %10.0f  %6.2f", row->at_once,
		a_second(&row->cpu_ns[OURS]), a_second(&row->wall_ns[OURS]),
		a_second(&row->cpu_ns[FORK]), a_second(&row->wall_ns[FORK]),
		stats_ratio(&row->cpu_ns[OURS], &row->cpu_ns[FORK]));
	if (before && before->at_once < row->at_once)
		(void)printf("  %9.2f", further(row, before) / MIB);
	else
		(void)printf("  %9s", "-");
	(void)printf(" %9.2f\n",
		     (double)row->pss.written_bytes / row->at_once / MIB);
}

static void json_who(const struct options *options, const struct children *row,
		     int who)
{
	struct json json = row_begin("children", options,
				     who == OURS ? "mitosisfs" : "fork");

	json_u64(&json, "at_once", row->at_once);
	json_u64(&json, "runs", row->wall_ns[who].nr);
	json_u64(&json, "wall_ns", median(&row->wall_ns[who]));
	json_u64(&json, "cpu_ns", median(&row->cpu_ns[who]));
	json_double(&json, "per_second_per_core", a_second(&row->cpu_ns[who]));
	if (who == OURS) {
		json_u64(&json, "pss_bytes", row->pss.pss_bytes);
		json_u64(&json, "written_bytes", row->pss.written_bytes);
		json_u64(&json, "loader_bytes", row->loader.pss_bytes);
		row_ratio(&json, &row->cpu_ns[OURS], &row->cpu_ns[FORK],
			  "fork");
	}
	json_end(&json);
}

static int measure_row(struct bench *bench, struct children *row)
{
	int error = 0;

	for (unsigned i = 0; !error && i < bench->options->runs; i++) {
		error = measure_fork(bench, row);
		if (!error)
			error = measure_ours(bench, row);
	}
	return error ? error : measure_memory(bench, row);
}

static int measure_rows(struct bench *bench, struct children *rows)
{
	const struct options *options = bench->options;
	int error = bench_take_image(bench);

	for (unsigned i = 0; !error && i < options->list.nr; i++) {
		rows[i].at_once = options->list.items[i];
		error = measure_row(bench, &rows[i]);
		if (error)
			break;
		if (options->json) {
			json_who(options, &rows[i], OURS);
			json_who(options, &rows[i], FORK);
		} else {
			print_row(&rows[i], i ? &rows[i - 1] : NULL);
		}
		(void)fflush(stdout);
	}
	return error ? error : host_drop(bench->host);
}

int children_measure(struct bench *bench)
{
	struct children *rows CLEANUP_FREE =
		calloc(bench->options->list.nr, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	print_head(bench->options);
	return measure_rows(bench, rows);
}
