/* SPDX-License-Identifier: MIT */
/* hist.c - see hist.h */
#include "common/hist.h"

#include <errno.h>

#define SUBS (1u << HIST_SUB_BITS)

/* Below SUBS each value has a bucket; above, the first bits after the top one
 * choose it. */
static unsigned bucket_of(uint64_t sample)
{
	unsigned shift;

	if (sample < SUBS)
		return (unsigned)sample;
	shift = 63u - (unsigned)__builtin_clzll(sample) - HIST_SUB_BITS;
	return (shift + 1) * SUBS + (unsigned)(sample >> shift) - SUBS;
}

uint64_t hist_bucket_last(unsigned bucket)
{
	unsigned shift;

	if (bucket < SUBS)
		return bucket;
	shift = bucket / SUBS - 1;
	/* Of the very last bucket the sum wraps to the largest number. */
	return ((uint64_t)(bucket % SUBS + SUBS + 1) << shift) - 1;
}

void hist_add(struct hist *hist, uint64_t sample)
{
	if (!hist->nr || sample < hist->min)
		hist->min = sample;
	if (sample > hist->max)
		hist->max = sample;
	hist->nr++;
	hist->sum += sample;
	hist->counts[bucket_of(sample)]++;
}

void hist_merge(struct hist *hist, const struct hist *from)
{
	if (!from->nr)
		return;
	if (!hist->nr || from->min < hist->min)
		hist->min = from->min;
	if (from->max > hist->max)
		hist->max = from->max;
	hist->nr += from->nr;
	hist->sum += from->sum;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		hist->counts[i] += from->counts[i];
}

/* Count anew, and see what is first and last. */
static void look_again(struct hist *hist)
{
	uint64_t max = hist->max;

	hist->nr = hist->min = hist->max = 0;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		if (!hist->counts[i])
			continue;
		if (!hist->nr)
			hist->min = hist_bucket_last(i);
		hist->max = hist_bucket_last(i);
		hist->nr += hist->counts[i];
	}
	if (hist->max > max)
		hist->max = max;
	if (hist->min > hist->max)
		hist->min = hist->max;
}

void hist_subtract(struct hist *hist, const struct hist *before)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		hist->counts[i] -= before->counts[i] < hist->counts[i]
					   ? before->counts[i]
					   : hist->counts[i];
	hist->sum -= before->sum < hist->sum ? before->sum : hist->sum;
	look_again(hist);
}

int hist_add_bucket(struct hist *hist, uint64_t last, uint64_t count)
{
	unsigned bucket = bucket_of(last);

	if (hist_bucket_last(bucket) != last || hist->counts[bucket])
		return -EINVAL;
	if (!count)
		return 0;
	if (!hist->nr || last < hist->min)
		hist->min = last;
	if (last > hist->max)
		hist->max = last;
	hist->nr += count;
	hist->sum += last * count;
	hist->counts[bucket] = count;
	return 0;
}

uint64_t hist_percentile(const struct hist *hist, unsigned percent)
{
	uint64_t wanted = hist->nr / 100 * percent +
			  (hist->nr % 100 * percent + 99) / 100;
	uint64_t seen = 0, last = hist->max;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->counts[i];
		if (seen >= wanted && seen) {
			last = hist_bucket_last(i);
			break;
		}
	}
	return last < hist->max ? last : hist->max;
}
