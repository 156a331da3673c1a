/* SPDX-License-Identifier: MIT */
/*
 * mitosis-bench.c - measure what this is for, each time beside its rival
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "tools/bench/eager.h"
#include "tools/bench/options.h"
#include "tools/bench/phases.h"
#include "tools/bench/pss.h"
#include "tools/bench/report.h"
#include "tools/bench/rpc.h"
#include "tools/bench/xfer.h"

static int start_parent(const struct options *options, struct peer *ret_parent)
{
	const char *name = options->parent->python ? "mitosis-bench-parent.py"
						   : "mitosis-bench-parent";
	char *program CLEANUP_FREE = host_program(name);
	char *argv[] = {
		"/usr/bin/python3",
		program,
		(char *)options->parent->mib,
		NULL,
	};
	int error;

	if (!program)
		return -ENOENT;
	error = peer_spawn(options->parent->python ? argv : argv + 1,
			   ret_parent);
	if (!error)
		error = peer_hear(ret_parent, "ready", NULL, NULL);
	return error;
}

static int measure(const struct options *options, struct bench *bench)
{
	struct phases *phases CLEANUP_FREE = calloc(1, sizeof(*phases));
	struct pss pss = {0};
	int error = phases ? 0 : -ENOMEM;

	for (unsigned i = 0; !error && i < options->runs; i++)
		error = phases_run(bench, phases);
	if (!error)
		error = pss_measure(bench, &pss);
	if (error)
		return error;
	report_head(options);
	report_phases(options, phases);
	report_pss(options, &pss);
	return 0;
}

typedef int (*measure_fn)(const struct options *options, struct bench *bench);

static int run(const struct options *options, const char *dir,
	       measure_fn measures)
{
	struct peer parent CLEANUP(peer_close) = PEER_NONE;
	struct bench bench = {.parent = &parent, .dir = dir};
	int error = host_open(options, dir, &bench.host);

	if (!error)
		error = start_parent(options, &parent);
	bench.pid = parent.pid;
	if (!error)
		error = measures(options, &bench);
	host_close(bench.host);
	return error;
}

/* Images of a process of ours, beside what else one could do. */
static int image_main(int argc, char **argv)
{
	char dir[] = "/tmp/mitosis-bench.XXXXXX";
	struct options options;
	int error;

	if (options_parse(argc, argv, &options) < 0)
		return 2;
	if (!mkdtemp(dir)) {
		say_error("%s: %s", dir, strerror(errno));
		return 1;
	}
	error = run(&options, dir, options.is_eager ? eager_measure : measure);
	(void)rmdir(dir);
	return error ? 1 : 0;
}

int main(int argc, char **argv)
{
	say_init(argv[0]);
	if (argc > 1 && !strcmp(argv[1], "rpc"))
		return rpc_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "transport"))
		return xfer_main(argc - 1, argv + 1);
	return image_main(argc, argv);
}
