/* SPDX-License-Identifier: MIT */
#include "tools/bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "common/say.h"
#include "config.h"

static const struct bench_parent parents[] = {
	{"python-200m", true, "200"},
	{"python-64m", true, "64"},
	{"c-200m", false, "200"},
	{"c-1m", false, "1"},
};

static const char usage[] =
	"Usage: mitosis-bench fork [OPTION...]\n"
	"       mitosis-bench eager [OPTION...]\n"
	"       mitosis-bench rpc --help\n"
	"       mitosis-bench transport --help\n"
	"\n"
	"fork: images and loads a parent again and again, and forks it "
	"beside that.\n"
	"eager: fetches all of its image, and copies as much by a socket.\n"
	"\n"
	"  --parent NAME      python-200m, python-64m, c-200m or c-1m\n"
	"  --transport NAME   local or tcp (over loopback)\n"
	"  --memory NAME      shared or own, as of mitosis-load\n"
	"  -o OPTIONS         of mitosisfs, for the mount\n"
	"  -N RUNS            how many runs (9)\n"
	"  --json             one line of JSON for each measured thing\n"
	"  -h, --help         this text\n"
	"  -V, --version      the version\n";

static const struct option long_options[] = {
	{"parent", required_argument, NULL, 'p'},
	{"transport", required_argument, NULL, 't'},
	{"memory", required_argument, NULL, 'm'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static int wrong(const char *what, const char *value)
{
	say_error("%s '%s': see mitosis-bench --help", what, value);
	return -EINVAL;
}

static int set_parent(struct options *options, const char *name)
{
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++)
		if (!strcmp(parents[i].name, name)) {
			options->parent = &parents[i];
			return 0;
		}
	return wrong("no such parent", name);
}

static int set_transport(struct options *options, const char *name)
{
	options->tcp = !strcmp(name, "tcp");
	if (options->tcp || !strcmp(name, "local"))
		return 0;
	return wrong("no such transport", name);
}

static int set_memory(struct options *options, const char *name)
{
	options->memory = name;
	if (!strcmp(name, "shared") || !strcmp(name, "own"))
		return 0;
	return wrong("no such memory", name);
}

static int set_runs(struct options *options, const char *text)
{
	uint64_t runs;

	if (parse_u64(text, 1, OPTIONS_RUNS_MAX, &runs) < 0)
		return wrong("not a number of runs", text);
	options->runs = runs;
	return 0;
}

static int set(struct options *options, int letter, const char *value)
{
	switch (letter) {
	case 'p':
		return set_parent(options, value);
	case 't':
		return set_transport(options, value);
	case 'm':
		return set_memory(options, value);
	case 'N':
		return set_runs(options, value);
	case 'o':
		options->mount = value;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'h':
		(void)fputs(usage, stdout);
		exit(0);
	case 'V':
		(void)puts("mitosis-bench " MITOSIS_VERSION);
		exit(0);
	default:
		return wrong("no such option, or no value for it", value);
	}
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options options = {
		.parent = &parents[0],
		.runs = 9,
		.memory = "shared",
	};
	int letter, error;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "N:o:hV", long_options,
				     NULL)) != -1) {
		if (letter == '?')
			optarg = argv[optind - 1];
		error = set(&options, letter, optarg);
		if (error)
			return error;
	}
	if (optind + 1 != argc || (strcmp(argv[optind], "fork") != 0 &&
				   strcmp(argv[optind], "eager") != 0))
		return wrong("no such benchmark",
			     optind < argc ? argv[optind] : "");
	options.is_eager = !strcmp(argv[optind], "eager");
	if (options.is_eager && options.mount)
		return wrong("eager has mount options of its own: -o",
			     options.mount);
	if (options.is_eager)
		options.mount = "mode=eager,eager=wait";
	*ret_options = options;
	return 0;
}
