/* SPDX-License-Identifier: MIT */
/*
 * options.h - what mitosis-bench was asked
 */
#pragma once

#include <stdbool.h>

#define OPTIONS_RUNS_MAX     1000u
#define OPTIONS_CHILDREN_MAX 8u

/* A program that is imaged and forked: its name, language and size. */
struct bench_parent {
	const char *name;
	bool python;
	const char *mib;
};

struct options {
	const struct bench_parent *parent;
	bool is_eager; /* the benchmark eager, else fork */
	bool tcp;      /* else local */
	unsigned runs;
	bool json;
	const char *memory; /* --memory of mitosis-load */
	const char *mount;  /* -o of mitosisfs, or NULL */
};

/*
 * Parse; --help and --version print and exit.  Says what is wrong and returns
 * -EINVAL, or 0.
 */
int options_parse(int argc, char **argv, struct options *ret_options);
