/* SPDX-License-Identifier: MIT */
/*
 * opts.h - command lines as tables: one line per option, checked and explained
 *
 * Long options, "--name value" or "--name=value", in any order with the
 * operands; "--" ends them (getopt_long(3)).  -h and -V stand for --help and
 * --version where the table has them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define OPTS_MAX      40u /* in a table */
#define OPTS_LIST_MAX 16u /* of one option that may be repeated */

enum opts_kind {
	OPTS_FLAG,    /* bool: true */
	OPTS_TEXT,    /* const char *, not empty */
	OPTS_LIST,    /* struct opts_list: may be given again */
	OPTS_MAYBE,   /* the same, and "--name" alone is one that is "" */
	OPTS_U32,     /* uint32_t, min to max */
	OPTS_SECONDS, /* uint32_t, from "90", "90s", "10m", "2h" */
};

struct opts_list {
	const char *texts[OPTS_LIST_MAX];
	unsigned nr;
	bool is_default; /* of a file: the command line's go before */
};

struct opts_entry {
	const char *name; /* without dashes; NULL ends the table */
	const char *arg;  /* "PATH"; NULL for a flag */
	const char
		*help; /* one line; NULL: another spelling, not in the help */
	enum opts_kind kind;
	void *to;
	uint32_t min, max;
};

/*
 * Parse @argv by @table.  Operands are moved behind the options.
 *
 * Returns the index of the first operand, or -EINVAL after a line on stderr
 * that says which word was wrong, and what is right.
 */
int opts_parse(const struct opts_entry *table, int argc, char **argv);

/*
 * Set one option as a file has it: "yes", "no" and the like for a flag.  The
 * command line, parsed afterwards, goes before.  A text is copied for good.
 *
 * Returns 0, -ENOENT when the table has no such option, -ENOMEM, or -EINVAL
 * after a line on stderr.
 */
int opts_set(const struct opts_entry *table, const char *name,
	     const char *value);

/* The table as a help text. */
void opts_help(const struct opts_entry *table, FILE *out);
