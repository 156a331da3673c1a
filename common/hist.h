/* SPDX-License-Identifier: MIT */
/*
 * hist.h - how many samples of each size: percentiles of any number of them
 *
 * Buckets grow with the samples: 64 in each doubling, so that what comes out is
 * at most 1.6 % more than the sample was.  One thread at a time.
 */
#pragma once

#include <stdint.h>

#define HIST_SUB_BITS 6
#define HIST_BUCKETS  ((64u - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

/* Zeroed before first use. */
struct hist {
	uint64_t nr, min, max, sum;
	uint64_t counts[HIST_BUCKETS];
};

void hist_add(struct hist *hist, uint64_t sample);

/* Add all samples of @from. */
void hist_merge(struct hist *hist, const struct hist *from);

/* The largest sample of @bucket. */
uint64_t hist_bucket_last(unsigned bucket);

/*
 * The least value that @percent (1 to 100) of the samples do not pass, rounded
 * up to the end of its bucket but never past the largest sample; 0 when there
 * are none.
 */
uint64_t hist_percentile(const struct hist *hist, unsigned percent);
