/* SPDX-License-Identifier: MIT */
#include "common/timing.h"

#define NS_PER_US 1000u

uint64_t timing_bound_ns(unsigned bucket)
{
	return bucket < TIMING_BUCKETS - 1 ? (uint64_t)NS_PER_US << bucket
					   : UINT64_MAX;
}

static unsigned bucket_of(uint64_t ns)
{
	uint64_t us = ns / NS_PER_US + (ns % NS_PER_US != 0);
	unsigned bucket;

	if (us <= 1)
		return 0;
	bucket = 64 - (unsigned)__builtin_clzll(us - 1);
	return bucket < TIMING_BUCKETS ? bucket : TIMING_BUCKETS - 1;
}

void timing_add(struct timing *timing, uint64_t ns)
{
	timing->count[bucket_of(ns)]++;
	timing->sum_ns += ns;
}

void timing_add_all(struct timing *timing, const struct hist *hist)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		if (hist->counts[i])
			timing->count[bucket_of(hist_bucket_last(i))] +=
				hist->counts[i];
	timing->sum_ns += hist->sum;
}

uint64_t timing_total(const struct timing *timing)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < TIMING_BUCKETS; i++)
		total += timing->count[i];
	return total;
}
