/* SPDX-License-Identifier: MIT */
#include "tools/bench/phases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/say.h"
#include "tools/bench/rival.h"

const char *const phase_names[PHASE_END] = {
	[PHASE_PAUSE] = "pause of the parent",
	[PHASE_PREPARE] = "prepare",
	[PHASE_MOUNT] = "mount",
	[PHASE_LOAD] = "load, until it runs",
	[PHASE_ANSWER] = "load, to the first answer",
	[PHASE_WORK] = "first real work",
	[PHASE_READ] = "everything read",
	[PHASE_LOADED] = "load to first work done",
	[PHASE_TOTAL] = "prepare to first work done",
	[PHASE_FIRST] = "the same, of the first run",
};

const char *const phase_fields[PHASE_END] = {
	[PHASE_PAUSE] = "pause",
	[PHASE_PREPARE] = "prepare",
	[PHASE_MOUNT] = "mount",
	[PHASE_LOAD] = "load",
	[PHASE_ANSWER] = "answer",
	[PHASE_WORK] = "work",
	[PHASE_READ] = "readall",
	[PHASE_LOADED] = "load_to_work",
	[PHASE_TOTAL] = "prepare_to_work",
	[PHASE_FIRST] = "first_prepare_to_work",
};

/* Take an image; a prepare that there is not has no sample. */
static int take_image(struct bench *bench, struct stats *prepare,
		      struct stats *mount)
{
	uint64_t took_ns;
	int error = host_prepare(bench->host, bench->pid, &took_ns);

	if (error)
		return error;
	if (prepare && took_ns)
		stats_add(prepare, took_ns);
	error = host_mount(bench->host, bench->pid, &took_ns);
	if (!error && mount)
		stats_add(mount, took_ns);
	return error;
}

static int measure_pause(struct bench *bench, struct phases *phases)
{
	char rest[PEER_LINE_MAX];
	int error = peer_ask(&bench->parent, "spin", "spinning", NULL, NULL);

	if (!error)
		error = take_image(bench, NULL, NULL);
	if (!error)
		error = peer_ask(&bench->parent, "gap", "gap", rest, NULL);
	if (!error)
		stats_add(&phases->ours[PHASE_PAUSE], strtoull(rest, NULL, 10));
	if (!error)
		error = host_drop(bench->host);
	return error;
}

/* When the first answer came, after ... */
struct answered {
	uint64_t start_ns; /* the start of it all */
	uint64_t load_ns;  /* the start of the load */
};

/* The requests that follow the first answer. */
static int let_work(struct bench *bench, struct peer *child,
		    struct stats *stats, struct answered answered)
{
	uint64_t work_ns, read_ns;
	int error = bench_ask_as_parent(bench, child, "work", "work", &work_ns);

	if (!error)
		error = bench_ask_as_parent(bench, child, "readall", "read",
					    &read_ns);
	if (error)
		return error;
	stats_add(&stats[PHASE_WORK], work_ns);
	stats_add(&stats[PHASE_READ], read_ns);
	stats_add(&stats[PHASE_LOADED], answered.load_ns + work_ns);
	stats_add(&stats[PHASE_TOTAL], answered.start_ns + work_ns);
	if (!stats[PHASE_FIRST].nr)
		stats_add(&stats[PHASE_FIRST], answered.start_ns + work_ns);
	return 0;
}

static int measure_fork(struct bench *bench, struct phases *phases)
{
	struct rival rival;
	int error = rival_start(&bench->parent, bench->dir, &rival), end_error;

	if (error)
		return error;
	stats_add(&phases->fork[PHASE_PAUSE], rival.call_ns);
	stats_add(&phases->fork[PHASE_LOAD], rival.first_ns);
	stats_add(&phases->fork[PHASE_ANSWER], rival.answer_ns);
	error = let_work(bench, &rival.peer, phases->fork,
			 (struct answered){rival.answer_ns, rival.answer_ns});
	end_error = rival_end(&bench->parent, &rival);
	return error ? error : end_error;
}

static int measure_ours(struct bench *bench, struct phases *phases)
{
	struct stats *stats = phases->ours;
	struct peer child = PEER_NONE;
	uint64_t start_ns = io_monotonic_ns(), load_ns, took_ns, end_ns;
	pid_t pid;
	int error =
		take_image(bench, &stats[PHASE_PREPARE], &stats[PHASE_MOUNT]);

	if (error)
		return error;
	load_ns = io_monotonic_ns();
	error = host_load(bench->host, &child, &took_ns, &pid);
	if (!error)
		error = peer_hear(&child, "pong", NULL, &end_ns);
	if (!error) {
		stats_add(&stats[PHASE_LOAD], took_ns);
		stats_add(&stats[PHASE_ANSWER], end_ns - load_ns);
		error = let_work(
			bench, &child, stats,
			(struct answered){end_ns - start_ns, end_ns - load_ns});
	}
	peer_close(&child);
	return error;
}

int phases_run(struct bench *bench, struct phases *phases)
{
	int error = measure_pause(bench, phases), drop_error;

	if (!error)
		error = measure_fork(bench, phases);
	if (!error)
		error = measure_ours(bench, phases);
	drop_error = host_drop(bench->host);
	return error ? error : drop_error;
}
