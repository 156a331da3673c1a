/* SPDX-License-Identifier: MIT */
/*
 * memory.h - what so many children take, when they have done nothing yet, some
 * work, and when each has looked at everything; as many by fork() beside that
 */
#pragma once

#include "tools/bench/bench.h"
#include "tools/bench/pss.h"

enum memory_stage { MEMORY_IDLE, MEMORY_WORK, MEMORY_READALL, MEMORY_STAGES };

/* One number of children, at each stage. */
struct memory_row {
	unsigned children;
	struct pss ours[MEMORY_STAGES], fork[MEMORY_STAGES];
	struct pss_programs programs[MEMORY_STAGES];
};

struct memory {
	uint64_t image_bytes; /* of one image */
	unsigned nr;
	struct memory_row rows[OPTIONS_LIST_MAX];
};

/* Fill @memory's rows, of which the number of children is given.  Says its
 * errors and returns -errno. */
int memory_fill(struct bench *bench, struct memory *memory);

/* Measure and report.  Says its errors and returns -errno. */
int memory_measure(struct bench *bench);

extern const char *const memory_stages[MEMORY_STAGES];
