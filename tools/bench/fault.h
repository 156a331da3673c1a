/* SPDX-License-Identifier: MIT */
/*
 * fault.h - "mitosis-bench fault": one page fault, beside the least that a FUSE
 * file system can take for it
 *
 * Read on in this order: fault.c (options, rounds), field.h (cold pages, and
 * touching them), nullfs.h (the rival), floors.h (no file system at all),
 * fault_report.c.
 */
#pragma once

#include <stdbool.h>

#include "common/hist.h"
#include "tools/bench/field.h"
#include "tools/bench/floors.h"
#include "tools/bench/options.h"
#include "tools/bench/stats.h"

#define FAULT_ROWS 6

enum fault_who { FAULT_OURS, FAULT_NULL, FAULT_WHO_END };

/* One thing that is measured, of one of both. */
struct fault_cell {
	struct stats p50_ns; /* of each round */
	struct hist ns;	     /* of all rounds */
};

/* Where programs may run in a pass over all rows. */
struct fault_pass {
	bool is_bound; /* all of them on one CPU */
	struct fault_cell cells[FAULT_ROWS][FAULT_WHO_END];
	struct fault_cell floors[FLOOR_END];
};

struct fault_row {
	const char *name, *field; /* for people, for JSON */
	struct field_touch touch;
};

extern const struct fault_row fault_rows[FAULT_ROWS];

struct fault_options {
	struct options bench; /* transport, runs, -o, --json */
	unsigned touches, threads, cpu;
	bool uring;
};

/* Returns an exit status. */
int fault_main(int argc, char **argv);

void fault_report_head(const struct fault_options *options);
void fault_report(const struct fault_options *options,
		  const struct fault_pass *pass);
