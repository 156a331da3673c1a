/* SPDX-License-Identifier: MIT */
#include "common/histo.h"

#define NS_PER_US 1000u

uint64_t histo_bound_ns(unsigned bucket)
{
	return bucket < HISTO_BUCKETS - 1 ? (uint64_t)NS_PER_US << bucket
					  : UINT64_MAX;
}

static unsigned bucket_of(uint64_t ns)
{
	uint64_t us = ns / NS_PER_US + (ns % NS_PER_US != 0);
	unsigned bucket;

	if (us <= 1)
		return 0;
	bucket = 64 - (unsigned)__builtin_clzll(us - 1);
	return bucket < HISTO_BUCKETS ? bucket : HISTO_BUCKETS - 1;
}

void histo_add(struct histo *histo, uint64_t ns)
{
	histo->count[bucket_of(ns)]++;
	histo->sum_ns += ns;
}

void histo_add_all(struct histo *histo, const struct hist *hist)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		if (hist->counts[i])
			histo->count[bucket_of(hist_bucket_last(i))] +=
				hist->counts[i];
	histo->sum_ns += hist->sum;
}

uint64_t histo_total(const struct histo *histo)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < HISTO_BUCKETS; i++)
		total += histo->count[i];
	return total;
}
