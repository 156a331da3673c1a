/* SPDX-License-Identifier: MIT */
/*
 * hist.h - how many samples of each size: percentiles of any number of them
 *
 * Buckets grow with the samples: 64 in each doubling, so that what comes out is
 * at most 1.6 % more than the sample was (as HdrHistogram, which Debian 12 has
 * for Java and Go alone).  One thread at a time.
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

/*
 * Take out all samples that @before had, when it was an earlier state of @hist.
 * What is least and most of the rest is only known by its buckets: min is the
 * end of the first, max at most that of the last; the sum stays at least 0.
 */
void hist_subtract(struct hist *hist, const struct hist *before);

/*
 * Add @count samples of the bucket that ends with @last, as hist_bucket_last()
 * says, each as large as that (the sum may wrap).  0, or -EINVAL when none ends
 * there, or it is counted already.
 */
int hist_add_bucket(struct hist *hist, uint64_t last, uint64_t count);

/* The largest sample of @bucket. */
uint64_t hist_bucket_last(unsigned bucket);

/*
 * The least value that @percent (1 to 100) of the samples do not pass, rounded
 * up to the end of its bucket but never past the largest sample; 0 when there
 * are none.
 */
uint64_t hist_percentile(const struct hist *hist, unsigned percent);
