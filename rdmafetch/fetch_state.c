/* SPDX-License-Identifier: MIT */
/* fetch_state.c - see fetch_state.h */
#include "rdmafetch/fetch_state.h"

#include "rdmafetch/stash.h"

void fetch_get_stats(struct fetch *fetch, struct fetch_stats *ret_stats)
{
	const struct pump_stats *pump = &fetch->pump.stats;
	struct supply_stats supply;

	(void)pthread_mutex_lock(&fetch->pump.lock);
	*ret_stats = fetch->stats;
	ret_stats->demand_waiting = fetch->nr_callers;
	ret_stats->read_bytes = pump->read_bytes;
	ret_stats->read_took = pump->read_took;
	ret_stats->retries = pump->retries;
	ret_stats->reconnects = pump->reconnects;
	ret_stats->timeouts = pump->timeouts;
	ret_stats->errors = pump->errors;
	ret_stats->is_lost = fetch->pump.lost;
	ret_stats->is_hard = fetch->options.hard;
	ret_stats->is_gone = fetch->pump.gone || fetch->is_stale;
	ret_stats->here_pages = pageset_count(fetch->here);
	ret_stats->faulted_pages = pageset_count(fetch->faulted);
	ret_stats->foreseen = foreseen_get_stats(fetch->foreseen);
	hold_get_stats(fetch->hold, &ret_stats->prefetch_reads,
		       &ret_stats->prefetch_pages);
	supply_get_stats(fetch->supply, &supply);
	ret_stats->prefetch_reads += supply.reads;
	ret_stats->prefetch_pages += supply.pages;
	ret_stats->likely_pages = supply.pages;
	ret_stats->likely_used_pages = supply.used_pages;
	if (fetch->ahead)
		ahead_get_stats(fetch->ahead, ret_stats);
	stash_get_stats(fetch->options.stash, &ret_stats->stash);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

void fetch_get_latency(struct fetch *fetch, struct latency *ret)
{
	(void)pthread_mutex_lock(&fetch->pump.lock);
	for (int how = 0; how < LATENCY_HOWS; how++)
		if (fetch->latency.by[how].nr)
			ret->by[how] = fetch->latency.by[how];
		else
			ret->by[how] = (struct hist){0};
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

int fetch_get_workset(struct fetch *fetch, struct workset *ret)
{
	int err;

	(void)pthread_mutex_lock(&fetch->pump.lock);
	err = workset_copy(&fetch->workset, ret);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
	return err;
}

void fetch_note_seen(struct fetch *fetch, uint64_t first_page,
		     uint64_t nr_pages)
{
	const struct prefetch_run run = {first_page, nr_pages};

	(void)pthread_mutex_lock(&fetch->pump.lock);
	foreseen_seen(fetch->foreseen, run);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

void fetch_pages_opened(struct fetch *fetch)
{
	(void)pthread_mutex_lock(&fetch->pump.lock);
	supply_begin(fetch->supply);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

void fetch_pages_closed(struct fetch *fetch)
{
	(void)pthread_mutex_lock(&fetch->pump.lock);
	supply_end(fetch->supply);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}
