/* SPDX-License-Identifier: MIT */
/*
 * options.h - what mitosis-bench was asked, about images
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_RUNS_MAX     1000u
#define OPTIONS_CHILDREN_MAX 64u
#define OPTIONS_MIB_MAX	     65536u
#define OPTIONS_LIST_MAX     16u
#define OPTIONS_DELAY_MAX_US 5000u

/* A program that is imaged and forked: its name, language and size. */
struct bench_parent {
	char name[24]; /* "python-200m" */
	bool python;
	uint32_t mib;
};

struct options_list {
	uint32_t items[OPTIONS_LIST_MAX];
	unsigned nr;
};

struct options {
	struct bench_parent parent;
	bool tcp; /* else local */
	unsigned runs;
	bool json;
	const char *memory;	  /* --memory of mitosis-load */
	const char *mount;	  /* -o of mitosisfs, or NULL */
	uint32_t delay_us;	  /* each way of the link to mitosisd */
	struct options_list list; /* of sizes, counts or percents */
};

/* Options that not every benchmark has: bits of options_use.takes. */
enum options_takes {
	OPTIONS_PARENT = 1 << 0,
	OPTIONS_MEMORY = 1 << 1,
	OPTIONS_MOUNT = 1 << 2,
	OPTIONS_SIZES = 1 << 3,
	OPTIONS_COUNTS = 1 << 4,
	OPTIONS_PERCENTS = 1 << 5,
	OPTIONS_LANGUAGE = 1 << 6,
};

/* A benchmark's own: which options it has, and their defaults. */
struct options_use {
	const char *name, *what; /* a line for the help */
	unsigned takes;
	const char *parent, *list;
	unsigned runs;
};

/*
 * Parse the words behind the benchmark's name, @argv[0]; --help and --version
 * print and exit.  Says what is wrong and returns -EINVAL, or 0.
 */
int options_parse(const struct options_use *use, int argc, char **argv,
		  struct options *ret_options);

/*
 * "c-64m", "python-200m": a language and MiB; "hello", "hello-python": none.
 * 0 or -EINVAL.
 */
int options_parent(const char *name, struct bench_parent *ret_parent);

/* Up to OPTIONS_LIST_MAX numbers of @min to @max with commas between.
 * 0 or -EINVAL. */
int options_list(const char *text, uint32_t min, uint32_t max,
		 struct options_list *ret_list);
