/* SPDX-License-Identifier: MIT */
/*
 * fetch.c - a demand read: holes, what is on its way already, and the rest
 *
 *     asked for   [ hole | present ............................. | hole ]
 *     becomes       zeros [ stash | own flight | another's | own ] zeros
 *
 * A read's flights and joins live on the caller's stack and bring pages
 * straight into the caller's buffer.
 */
#include "rdmafetch/fetch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/io.h"
#include "common/page.h"
#include "common/source.h"
#include "common/trace.h"
#include "rdmafetch/ahead.h"
#include "rdmafetch/buffers.h"
#include "rdmafetch/fetch_state.h"
#include "rdmafetch/hold.h"
#include "rdmafetch/nearby.h"
#include "rdmafetch/pageset.h"
#include "rdmafetch/pieces.h"
#include "rdmafetch/pump.h"
#include "rdmafetch/round.h"

static struct prefetch_run run_of(uint64_t raddr, uint64_t len_bytes)
{
	struct prefetch_run run = {page_of(raddr), page_of(len_bytes)};

	return run;
}

/* Whether somebody wants pages ahead of demand, be they of this host. */
static bool wants_ahead(const struct fetch *fetch)
{
	const struct prefetch_policy *policy = fetch->options.policy;

	return fetch->ahead ||
	       (policy != &prefetch_off && policy != &prefetch_auto);
}

/*
 * A round that needs no flights; @run is what of it may be a fault's.  With
 * pages under way ahead of demand there is more to be told: not then.
 */
static bool read_nearby(struct fetch *fetch, struct round *round,
			struct prefetch_run run)
{
	if (wants_ahead(fetch) ||
	    nearby_read(&fetch->pump, round->object, &round->pieces))
		return false;
	round->how = LATENCY_FETCHED;
	run.nr_pages = page_of(page_ceil(round->pieces.end)) - run.first_page;
	if (round->is_fault)
		(void)pageset_add(fetch->here, run);
	return true;
}

/* The stream of what is known had it under way: see supply.h. */
static bool is_expected(const struct fetch *fetch, const struct round *round)
{
	return round->is_fault && round->how != LATENCY_FETCHED &&
	       fetch->options.known && fetch->options.known->nr;
}

/* Once for all rounds: the second one is no new demand. */
static void tell_policy(struct fetch *fetch, struct round *round)
{
	if (round->object != SOURCE_MEMORY || round->is_told)
		return;
	round->is_told = true;
	if (round->is_fault)
		supply_touched(fetch->supply, round->asked);
	hold_demanded(fetch->hold, round->asked, round->is_fault,
		      is_expected(fetch, round));
}

/*
 * What the stash has needs no connection.  For the policy it is as good as
 * fetched: the stream goes on.
 */
static void take_stashed(struct fetch *fetch, struct round *round,
			 uint64_t raddr)
{
	struct prefetch_run run;

	if (!stash_serve(fetch->options.stash, round->object, &round->pieces))
		return;
	run = run_of(raddr, round->pieces.end - raddr);
	(void)pthread_mutex_lock(&fetch->pump.lock);
	if (round->is_fault)
		(void)pageset_add(fetch->here, run);
	tell_policy(fetch, round);
	pump_flush(&fetch->pump);
	/* Who joined meanwhile sleeps, and this read does not wait. */
	pump_elect(&fetch->pump);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

/* Read from @raddr on as far as one round goes: to round->pieces.end. */
static int read_round(struct fetch *fetch, struct round *round, uint64_t raddr,
		      char *buf, uint64_t end)
{
	const struct piece range = {raddr, end - raddr, buf};
	struct pump *pump = &fetch->pump;
	int err;

	pieces_find(fetch->options.image, round->object, &range,
		    &round->pieces);
	take_stashed(fetch, round, raddr);
	if (!round->pieces.nr)
		return 0;
	(void)pthread_mutex_lock(&pump->lock);
	err = pump->broken ? retry_after_break(pump_manner(pump)) : 0;
	if (err) {
		(void)pthread_mutex_unlock(&pump->lock);
		return err;
	}
	if (read_nearby(fetch, round, run_of(raddr, end - raddr))) {
		(void)pthread_mutex_unlock(&pump->lock);
		return 0;
	}
	waiter_init(&round->waiter);
	round_plan(fetch, round);
	tell_policy(fetch, round);
	pump_flush(pump);
	round_copy_held(fetch, round);
	pump_wait(pump, &round->waiter);
	err = round_collect(fetch, round);
	if (!err && round->is_fault)
		(void)pageset_add(fetch->here,
				  run_of(raddr, round->pieces.end - raddr));
	(void)pthread_mutex_unlock(&pump->lock);
	waiter_done(&round->waiter);
	return err;
}

/* Read [@range[0], @range[1]) into @buf, in rounds of @round's kind. */
static int read_all(struct fetch *fetch, struct round *round,
		    const uint64_t range[2], char *buf)
{
	uint64_t at = range[0], end = range[1];
	unsigned redone = 0;

	while (at < end) {
		int err = read_round(fetch, round, at, buf + (at - range[0]),
				     end);

		if (err == -EAGAIN && redone++ < fetch->options.tries)
			continue;
		if (err)
			return round_is_everybodys(err) ? err : -EIO;
		at = round->pieces.end;
	}
	return 0;
}

/* What is counted of a read that begins, and of one that ends. */
static void begin(struct fetch *fetch, size_t len_bytes)
{
	(void)pthread_mutex_lock(&fetch->pump.lock);
	fetch->nr_callers++;
	fetch->stats.demand_reads++;
	fetch->stats.demand_pages += page_of(page_ceil(len_bytes));
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

/* A working set that grows too long is as good as it is. */
static void note_fault(struct fetch *fetch, struct prefetch_run run)
{
	if (pageset_add(fetch->faulted, run))
		(void)workset_add(&fetch->workset, run.first_page,
				  (uint32_t)run.nr_pages);
}

static void leave(struct fetch *fetch)
{
	if (--fetch->nr_callers == 0)
		(void)pthread_cond_broadcast(&fetch->no_callers);
}

static void end(struct fetch *fetch, const struct round *round,
		const uint64_t range[2], uint64_t took_ns, int err)
{
	(void)pthread_mutex_lock(&fetch->pump.lock);
	/* Without a connection the caller waits and asks again. */
	if (round->object == SOURCE_MEMORY && err != -ENOTCONN)
		hist_add(&fetch->latency.by[round->how], took_ns);
	if (round->is_fault && !err)
		note_fault(fetch, run_of(range[0], range[1] - range[0]));
	/* What has come of it nobody keeps. */
	if (round->is_fault && err)
		(void)pageset_del(fetch->here,
				  run_of(range[0], range[1] - range[0]));
	if (err || round->how == LATENCY_FETCHED)
		fetch->is_stale = err == -ESTALE;
	fetch->stats.demand_errors += err && err != -ENOTCONN;
	/* Who has pages lent to him is here until he has given them back. */
	if (!round->loan || !round->loan->nr_flights)
		leave(fetch);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

static int demand(struct fetch *fetch, struct round *round,
		  const uint64_t range[2], void *buf)
{
	uint64_t start_ns = io_monotonic_ns();
	int err;

	TRACE(fault__begin, round->object, range[0], range[1] - range[0]);
	begin(fetch, range[1] - range[0]);
	round->how = LATENCY_HERE;
	round->is_told = false;
	round->asked = run_of(range[0], range[1] - range[0]);
	err = read_all(fetch, round, range, buf);
	TRACE(fault__end, round->object, range[0], range[1] - range[0], err);
	end(fetch, round, range, io_monotonic_ns() - start_ns, err);
	return err;
}

int fetch_read(struct fetch *fetch, uint32_t object, uint64_t raddr, void *buf,
	       size_t len_bytes)
{
	const uint64_t range[2] = {raddr, raddr + len_bytes};
	struct round round;

	if (!pieces_legal(fetch->options.image, object, raddr, len_bytes))
		return -EINVAL;
	round.object = object;
	round.is_fault = false;
	round.loan = NULL;
	return demand(fetch, &round, range, buf);
}

int fetch_fault(struct fetch *fetch, uint64_t raddr, void *buf,
		size_t len_bytes)
{
	const uint64_t range[2] = {raddr, raddr + len_bytes};
	struct round round;

	if (!pieces_legal(fetch->options.image, SOURCE_MEMORY, raddr,
			  len_bytes))
		return -EINVAL;
	round.object = SOURCE_MEMORY;
	round.is_fault = true;
	round.loan = NULL;
	return demand(fetch, &round, range, buf);
}

int fetch_lend(struct fetch *fetch, const struct piece *wanted, bool is_fault,
	       struct loan *ret)
{
	const uint64_t range[2] = {wanted->raddr,
				   wanted->raddr + wanted->len_bytes};
	struct round round;
	int err;

	if (!pieces_legal(fetch->options.image, SOURCE_MEMORY, wanted->raddr,
			  wanted->len_bytes))
		return -EINVAL;
	loan_begin(ret, wanted->buf);
	round.object = SOURCE_MEMORY;
	round.is_fault = is_fault;
	round.loan = ret;
	err = demand(fetch, &round, range, wanted->buf);
	if (err)
		fetch_return(fetch, ret);
	else
		loan_end(ret, wanted->buf + wanted->len_bytes);
	return err;
}

void fetch_return(struct fetch *fetch, struct loan *loan)
{
	if (!loan->nr_flights)
		return;
	(void)pthread_mutex_lock(&fetch->pump.lock);
	loan_return(loan, &fetch->pump);
	leave(fetch);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

void fetch_keep(struct fetch *fetch, uint64_t raddr, const void *buf,
		size_t len_bytes)
{
	stash_put(fetch->options.stash, run_of(raddr, len_bytes), buf);
}

/* ---- ahead of demand ---- */

static int start_ahead(struct fetch *fetch)
{
	const struct fetch_options *options = &fetch->options;
	struct ahead_options ahead_options = {
		.here = fetch->here,
		.foreseen = fetch->foreseen,
		.sink = options->sink,
		.sink_arg = options->sink_arg,
		.stash = options->stash,
		.spares_taken = options->sink_spares_taken,
	};
	struct ahead *ahead = NULL;
	int err = 0;

	(void)pthread_mutex_lock(&fetch->start_lock);
	if (!fetch->ahead)
		err = ahead_open(&fetch->pump, &ahead_options, &ahead);
	if (ahead) {
		(void)pthread_mutex_lock(&fetch->pump.lock);
		fetch->ahead = ahead;
		(void)pthread_mutex_unlock(&fetch->pump.lock);
	}
	(void)pthread_mutex_unlock(&fetch->start_lock);
	return err;
}

int fetch_ahead(struct fetch *fetch, uint64_t first_page, uint64_t nr_pages)
{
	uint64_t end = page_of(UINT64_MAX) + 1;
	struct prefetch_run run = {first_page, nr_pages};
	int err;

	if (!fetch->options.sink)
		return -EOPNOTSUPP;
	if (first_page >= end || !nr_pages)
		return 0;
	if (run.nr_pages > end - first_page)
		run.nr_pages = end - first_page;
	err = start_ahead(fetch);
	if (err)
		return err;
	(void)pthread_mutex_lock(&fetch->pump.lock);
	err = ahead_add(fetch->ahead, run);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
	return err;
}

bool fetch_wait_ahead(struct fetch *fetch, int timeout_ms)
{
	bool quiet;

	(void)pthread_mutex_lock(&fetch->pump.lock);
	quiet = !fetch->ahead || ahead_wait(fetch->ahead, timeout_ms);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
	return quiet;
}

/* ---- loss ---- */

int fetch_mend(struct fetch *fetch)
{
	int err;

	(void)pthread_mutex_lock(&fetch->pump.lock);
	err = pump_mend(&fetch->pump);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
	return err;
}

void fetch_stop(struct fetch *fetch)
{
	(void)pthread_mutex_lock(&fetch->pump.lock);
	pump_stop(&fetch->pump);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

/* ---- buffers ---- */

void fetch_prepare_buffer(struct fetch *fetch, void *buf, size_t len_bytes)
{
	(void)pthread_mutex_lock(&fetch->pump.lock);
	buffers_add(&fetch->pump, buf, len_bytes);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

void fetch_release_buffer(struct fetch *fetch, void *buf)
{
	(void)pthread_mutex_lock(&fetch->pump.lock);
	buffers_del(&fetch->pump, buf);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
}

/* ---- life ---- */

void fetch_close(struct fetch *fetch)
{
	if (!fetch)
		return;
	(void)pthread_mutex_lock(&fetch->pump.lock);
	while (fetch->nr_callers)
		(void)pthread_cond_wait(&fetch->no_callers, &fetch->pump.lock);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
	ahead_close(fetch->ahead);
	/* Its thread looks at the table, in which are what hold has kept. */
	supply_close(fetch->supply);
	hold_close(fetch->hold);
	pump_done(&fetch->pump);
	pageset_free(fetch->here);
	pageset_free(fetch->faulted);
	foreseen_free(fetch->foreseen);
	workset_done(&fetch->workset);
	(void)pthread_cond_destroy(&fetch->no_callers);
	(void)pthread_mutex_destroy(&fetch->start_lock);
	free(fetch);
}

static int open_hold(struct fetch *fetch)
{
	const struct hold_options options = {
		.image = fetch->options.image,
		.here = fetch->here,
		.foreseen = fetch->foreseen,
		.policy = fetch->options.policy,
		.max_pages = fetch->options.prefetch_pages,
		.pool_pages = fetch->options.hold_pages,
		.stash = fetch->options.stash,
	};

	return hold_open(&fetch->pump, &options, &fetch->hold);
}

static int open_supply(struct fetch *fetch)
{
	const struct supply_options options = {
		.image = fetch->options.image,
		.here = fetch->here,
		.foreseen = fetch->foreseen,
		.stash = fetch->options.stash,
		.from_ns = fetch->options.supply_from_ns,
		.known = fetch->options.known,
	};

	return supply_open(&fetch->pump, &options, &fetch->supply);
}

int fetch_open(struct transport *transport, const struct fetch_options *options,
	       struct fetch **ret)
{
	struct pump_options pump_options = {
		.timeout_ms = options->timeout_ms,
		.tries = options->tries,
		.reopen = options->reopen,
		.reopen_arg = options->reopen_arg,
		.hard = options->hard,
		.nil_ns = options->nil_ns,
	};
	struct fetch *fetch = calloc(1, sizeof(*fetch));
	int err;

	if (!fetch)
		return -ENOMEM;
	fetch->options = *options;
	if (!fetch->options.policy)
		fetch->options.policy = &prefetch_off;
	(void)pthread_mutex_init(&fetch->start_lock, NULL);
	(void)pthread_cond_init(&fetch->no_callers, NULL);
	err = pump_init(&fetch->pump, transport, &pump_options);
	if (!err)
		err = pageset_new(options->image, &fetch->here);
	if (!err)
		err = pageset_new(options->image, &fetch->faulted);
	if (!err)
		err = foreseen_new(options->image, &fetch->foreseen);
	if (!err)
		err = open_hold(fetch);
	if (!err)
		err = open_supply(fetch);
	if (err) {
		fetch->pump.transport = NULL; /* stays the caller's */
		fetch_close(fetch);
		return err;
	}
	(void)pthread_mutex_lock(&fetch->pump.lock);
	supply_foresee(fetch->supply);
	(void)pthread_mutex_unlock(&fetch->pump.lock);
	*ret = fetch;
	return 0;
}
