/* SPDX-License-Identifier: MIT */
/*
 * mitosis-bench.c - measure what this is for, each time beside its rival
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "common/standard.h"
#include "config.h"
#include "tools/bench/bench.h"
#include "tools/bench/children.h"
#include "tools/bench/eager.h"
#include "tools/bench/fault.h"
#include "tools/bench/guardian.h"
#include "tools/bench/options.h"
#include "tools/bench/memory.h"
#include "tools/bench/phases.h"
#include "tools/bench/prepare.h"
#include "tools/bench/report.h"
#include "tools/bench/rpc.h"
#include "tools/bench/sequential.h"
#include "tools/bench/touch.h"
#include "tools/bench/xfer.h"

static int measure_fork(struct bench *bench)
{
	const struct options *options = bench->options;
	struct phases *phases CLEANUP_FREE = calloc(1, sizeof(*phases));
	struct memory *memory CLEANUP_FREE = calloc(1, sizeof(*memory));
	int error = phases && memory ? 0 : -ENOMEM;

	for (unsigned i = 0; !error && i < options->runs; i++)
		error = phases_run(bench, phases);
	for (unsigned children = 1; !error && children <= 8; children *= 2)
		memory->rows[memory->nr++].children = children;
	if (!error && !options->json)
		error = memory_fill(bench, memory);
	if (error)
		return error;
	report_head(options);
	report_phases(options, phases);
	if (!options->json)
		report_pss(memory);
	return 0;
}

/* The benchmarks of images: each has a parent, but for those that make one. */
static const struct image_benchmark {
	struct options_use use;
	int (*measure)(struct bench *bench);
	const char *mount; /* its own mount options */
} image_benchmarks[] = {
	{{"fork", "each phase of an image and its child, beside fork()",
	  OPTIONS_PARENT | OPTIONS_MEMORY | OPTIONS_MOUNT, "python-200m", NULL,
	  9},
	 measure_fork,
	 NULL},
	{{"eager", "all of an image at once, beside a copy by a socket",
	  OPTIONS_PARENT, "python-200m", NULL, 9},
	 eager_measure,
	 "mode=eager,eager=wait"},
	{{"sequential", "all of an image in order, beside a copy by a socket",
	  OPTIONS_PARENT | OPTIONS_MEMORY | OPTIONS_MOUNT, "c-200m", NULL, 5},
	 sequential_measure,
	 NULL},
	{{"touch", "a part of the memory touched, beside fork() and the floor",
	  OPTIONS_PARENT | OPTIONS_MEMORY | OPTIONS_MOUNT | OPTIONS_PERCENTS,
	  "c-64m", "0,10,25,50,75,100", 3},
	 touch_measure,
	 NULL},
	{{"prepare", "what an image costs parents of several sizes",
	  OPTIONS_LANGUAGE | OPTIONS_MOUNT | OPTIONS_SIZES, NULL,
	  "1,4,16,64,256,1024", 5},
	 prepare_measure,
	 NULL},
	{{"memory", "the memory of many children, beside fork()",
	  OPTIONS_PARENT | OPTIONS_MEMORY | OPTIONS_MOUNT | OPTIONS_COUNTS,
	  "python-200m", "1,2,4,8,16,64", 0},
	 memory_measure,
	 NULL},
	{{"children", "children a second for each core, beside fork()",
	  OPTIONS_PARENT | OPTIONS_MEMORY | OPTIONS_MOUNT | OPTIONS_COUNTS,
	  "hello", "1,8,64", 5},
	 children_measure,
	 NULL},
};

#define NR_IMAGE_BENCHMARKS                                                    \
	(sizeof(image_benchmarks) / sizeof(image_benchmarks[0]))

static const struct {
	const char *name, *what;
	int (*main)(int argc, char **argv);
} others[] = {
	{"fault", "one page fault, beside a file system that does nothing",
	 fault_main},
	{"rpc", "empty calls a second", rpc_main},
	{"transport", "reads of pages, beside the link's own tools", xfer_main},
};

#define NR_OTHERS (sizeof(others) / sizeof(others[0]))

struct job {
	const struct image_benchmark *benchmark;
	struct options options;
};

static int work(const void *arg, const char *dir)
{
	const struct job *job = arg;
	struct bench bench = {
		.options = &job->options,
		.dir = dir,
		.parent = PEER_NONE,
	};
	int error = host_open(&job->options, dir, &bench.host);

	if (!error && (job->benchmark->use.takes & OPTIONS_PARENT))
		error = bench_start_parent(&bench, &job->options.parent);
	if (!error)
		error = job->benchmark->measure(&bench);
	host_close(bench.host);
	bench_stop_parent(&bench);
	return error ? 1 : 0;
}

static int image_main(const struct image_benchmark *benchmark, int argc,
		      char **argv)
{
	struct job job = {.benchmark = benchmark};

	if (options_parse(&benchmark->use, argc, argv, &job.options) < 0)
		return 2;
	if (benchmark->mount)
		job.options.mount = benchmark->mount;
	return guardian_run(work, &job);
}

static int say_help(void)
{
	(void)puts(
		"Usage: mitosis-bench BENCHMARK [OPTION...]\n"
		"       mitosis-bench BENCHMARK --help\n");
	for (unsigned i = 0; i < NR_IMAGE_BENCHMARKS; i++)
		(void)printf("  %-12s %s\n", image_benchmarks[i].use.name,
			     image_benchmarks[i].use.what);
	for (unsigned i = 0; i < NR_OTHERS; i++)
		(void)printf("  %-12s %s\n", others[i].name, others[i].what);
	return 0;
}

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (unsigned i = 0; i < NR_OTHERS; i++)
		if (!strcmp(name, others[i].name))
			return others[i].main(argc - 1, argv + 1);
	for (unsigned i = 0; i < NR_IMAGE_BENCHMARKS; i++)
		if (!strcmp(name, image_benchmarks[i].use.name))
			return image_main(&image_benchmarks[i], argc - 1,
					  argv + 1);
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		return say_help();
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		return puts("mitosis-bench " MITOSIS_VERSION) < 0;
	say_error("no such benchmark '%s': see mitosis-bench --help", name);
	return 2;
}

int main(int argc, char **argv)
{
	int status;

	standard_open();
	say_init(argv[0]);
	status = run(argc, argv);
	return standard_end() && !status ? 1 : status;
}
