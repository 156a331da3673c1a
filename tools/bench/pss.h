/* SPDX-License-Identifier: MIT */
/*
 * pss.h - the memory that 1, 2, 4, 8 children of one image take together
 *
 * The sum of their proportional set sizes, after each has read everything.
 */
#pragma once

#include <stdint.h>

#include "tools/bench/phases.h"

#define PSS_COUNTS 4

struct pss {
	unsigned children[PSS_COUNTS];
	uint64_t ours_bytes[PSS_COUNTS], fork_bytes[PSS_COUNTS];
	uint64_t image_bytes; /* of one image */
};

/* Says its errors and returns -errno. */
int pss_measure(struct bench *bench, struct pss *ret);
