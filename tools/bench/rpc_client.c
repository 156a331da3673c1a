/* SPDX-License-Identifier: MIT */
/*
 * rpc_client.c - threads that call, and one that counts
 *
 * Each thread has a connection and keeps its calls under way; it shares one
 * counter with the main thread and nothing else.  All connect first, then all
 * begin at once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"
#include "tools/bench/caller.h"
#include "tools/bench/rpc.h"

#define NS_PER_S   1000000000ul
#define NS_PER_US  1000ul
#define CONNECT_MS 10000

struct run;

struct worker {
	struct run *run;
	pthread_t thread;
	bool started;
	struct caller *caller;
	_Atomic uint64_t answered;
	int error;
	struct hist hist;
};

struct run {
	const struct rpc_options *options;
	struct worker *workers;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool go;	  /* lock */
	unsigned nr_done; /* lock */
	_Atomic bool stop;
	uint64_t start_ns;
	uint64_t end_ns; /* lock; of the last worker, still connected */
};

/* ---- a worker ---- */

/* How many calls may begin now. */
static unsigned wanted(const struct worker *worker, uint64_t started,
		       unsigned underway)
{
	const struct rpc_options *options = worker->run->options;
	unsigned room = options->underway - underway;
	uint64_t left;

	if (atomic_load_explicit(&worker->run->stop, memory_order_relaxed))
		return 0;
	if (!options->requests)
		return room;
	left = options->requests - started;
	return left < room ? (unsigned)left : room;
}

static int call_until_stopped(struct worker *worker)
{
	uint64_t started = 0;
	unsigned underway = 0;
	int nr = 0;

	do {
		unsigned more = wanted(worker, started, underway);

		started += more;
		underway += more;
		if (more)
			nr = caller_start(worker->caller, more);
		if (nr < 0 || !underway)
			break;
		nr = caller_reap(worker->caller, &worker->hist);
		if (nr > 0) {
			underway -= (unsigned)nr;
			atomic_fetch_add_explicit(&worker->answered,
						  (unsigned)nr,
						  memory_order_relaxed);
		}
	} while (nr >= 0);
	return nr < 0 ? nr : 0;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct run *run = worker->run;

	(void)pthread_mutex_lock(&run->lock);
	while (!run->go)
		(void)pthread_cond_wait(&run->changed, &run->lock);
	(void)pthread_mutex_unlock(&run->lock);
	worker->error = call_until_stopped(worker);
	(void)pthread_mutex_lock(&run->lock);
	run->nr_done++;
	run->end_ns = io_monotonic_ns();
	(void)pthread_cond_broadcast(&run->changed);
	(void)pthread_mutex_unlock(&run->lock);
	return NULL;
}

/* ---- the run ---- */

static int failed(const struct rpc_options *options, int error, const char *why)
{
	say_error("calling %s:%u over %s: %s", options->address.host,
		  options->address.port, place_proto_name(options->proto),
		  *why ? why : strerror(-error));
	return error;
}

static int start_worker(struct run *run, struct worker *worker)
{
	const struct rpc_options *options = run->options;
	struct caller_options call = {
		.proto = options->proto,
		.address = options->address,
		.underway = options->underway,
		.body_bytes = options->body_bytes,
		.completion = options->completion,
		.device = options->device,
	};
	char why[WIRE_WHY_MAX + 1];
	int error;

	call.address.timeout_ms = CONNECT_MS;
	worker->run = run;
	error = caller_open(&call, &worker->caller, why);
	if (error)
		return failed(options, error, why);
	error = -pthread_create(&worker->thread, NULL, worker_main, worker);
	worker->started = !error;
	return error ? failed(options, error, "no more threads") : 0;
}

static uint64_t count(const struct run *run)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < run->options->thread_count; i++)
		sum += atomic_load_explicit(&run->workers[i].answered,
					    memory_order_relaxed);
	return sum;
}

static void print_interval(const struct run *run, uint64_t passed_ns,
			   uint64_t requests)
{
	double rate = (double)requests * NS_PER_S / (double)passed_ns;

	if (run->options->json)
		(void)printf(
			"{\"benchmark\": \"rpc\", \"passed_ns\": %lu, "
			"\"requests\": %lu, \"requests_per_s\": %.0f}\n",
			passed_ns, requests, rate);
	else
		(void)printf("passed: %lu us, thpt: %.0f requests/s\n",
			     passed_ns / NS_PER_US, rate);
	(void)fflush(stdout);
}

/* Sleep until @until_ns; true when all workers are done before. */
static bool all_done_by(struct run *run, uint64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S),
	};
	bool done;
	int error = 0;

	(void)pthread_mutex_lock(&run->lock);
	while (run->nr_done < run->options->thread_count && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&run->changed, &run->lock,
					       &until);
	done = run->nr_done == run->options->thread_count;
	(void)pthread_mutex_unlock(&run->lock);
	return done;
}

static void watch(struct run *run)
{
	const struct rpc_options *options = run->options;
	uint64_t interval_ns = options->report_interval_s * NS_PER_S;
	uint64_t end_ns = run->start_ns + options->running_s * NS_PER_S;
	uint64_t last_ns = run->start_ns, before = 0;
	bool over = false;

	while (!over) {
		uint64_t next_ns = last_ns + interval_ns, now_ns, now;

		if (!interval_ns || next_ns > end_ns)
			next_ns = end_ns;
		over = all_done_by(run, next_ns) || next_ns == end_ns;
		/* What ends later than the last line is in the total only. */
		if (over)
			atomic_store(&run->stop, true);
		now_ns = io_monotonic_ns();
		now = count(run);
		if (interval_ns)
			print_interval(run, now_ns - last_ns, now - before);
		last_ns = now_ns;
		before = now;
	}
}

static int begin(struct run *run)
{
	int error = 0;

	for (unsigned i = 0; !error && i < run->options->thread_count; i++)
		error = start_worker(run, &run->workers[i]);
	if (error)
		atomic_store(&run->stop, true);
	(void)pthread_mutex_lock(&run->lock);
	run->start_ns = io_monotonic_ns();
	run->go = true;
	(void)pthread_cond_broadcast(&run->changed);
	(void)pthread_mutex_unlock(&run->lock);
	return error;
}

/* Wait for the workers: the first error among them, said. */
static int end(struct run *run, struct hist *hist)
{
	int error = 0;

	for (unsigned i = 0; i < run->options->thread_count; i++) {
		struct worker *worker = &run->workers[i];

		if (worker->started)
			(void)pthread_join(worker->thread, NULL);
		caller_close(worker->caller);
		hist_merge(hist, &worker->hist);
		if (worker->error && !error)
			error = failed(run->options, worker->error, "");
	}
	return error;
}

int rpc_call(const struct rpc_options *options, struct rpc_total *ret_total)
{
	CLEANUP_FREE struct worker *workers =
		calloc(options->thread_count, sizeof(*workers));
	CLEANUP_FREE struct hist *hist = calloc(1, sizeof(*hist));
	struct run run = {.options = options, .workers = workers};
	pthread_condattr_t clock;
	uint64_t elapsed_ns;
	int error, late;

	if (!workers || !hist)
		return failed(options, -ENOMEM, "");
	(void)pthread_condattr_init(&clock);
	(void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&run.lock, NULL);
	(void)pthread_cond_init(&run.changed, &clock);
	error = begin(&run);
	if (!error)
		watch(&run);
	late = end(&run, hist);
	elapsed_ns = run.end_ns - run.start_ns;
	(void)pthread_cond_destroy(&run.changed);
	(void)pthread_mutex_destroy(&run.lock);
	if (!error)
		error = late;
	if (!error)
		*ret_total = (struct rpc_total){
			.requests = count(&run),
			.elapsed_ns = elapsed_ns,
			.p50_ns = hist_percentile(hist, 50),
			.p99_ns = hist_percentile(hist, 99),
			.max_ns = hist->max,
		};
	return error;
}
