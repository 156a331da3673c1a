/* SPDX-License-Identifier: MIT */
/*
 * ahead.c - runs come in, flights go out, pages go to the sink
 */
#include "rdmafetch/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/io.h"
#include "common/page.h"
#include "common/quietthread.h"
#include "common/source.h"
#include "rdmafetch/buffers.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/landing.h"
#include "rdmafetch/stash.h"
#include "rdmafetch/wanted.h"

/*
 * A flight of 64 pages: storing into the page cache gains nothing from larger
 * pieces, and a demand read that joins one waits for all of it.
 */
#define SLOT_PAGES 64u
#define SLOTS	   16u /* more than fly at full size: images have small pieces */
#define FLYING_MAX (8u * SLOT_PAGES) /* pages: a demand read waits behind */
#define RUNS_MAX   64u

/* Flights lost to breaks in a row, after which the rest is left to demand. */
#define LOSSES_MAX 64u
#define RETRY_S	   1 /* between attempts to reach a lost far end */

struct run_queue {
	struct prefetch_run runs[RUNS_MAX]; /* a ring */
	unsigned head, nr;
};

struct slot {
	struct flight flight;
	char *buf;
	bool busy;
	bool sinking; /* a thread is about it; no other may touch it */
};

struct ahead {
	struct pump *pump;
	struct ahead_options options;
	struct run_queue asked;
	struct slot slots[SLOTS];
	char *bufs;
	struct waiter waiter;
	pthread_t thread, helper;
	uint64_t nr_reads, nr_pages;
	unsigned nr_losses, nr_flying; /* flying: pages under way */
	pthread_cond_t quiet;
	pthread_cond_t arrived;		     /* something for the helper */
	bool has_helper, helper_idle, ended; /* ended: helper, go */
	bool idle, closing;		     /* idle: asleep without work */
	bool is_prepared;		     /* bufs */
};

/* ---- the queues ---- */

static int put_run(struct run_queue *queue, struct prefetch_run run)
{
	if (queue->nr == RUNS_MAX)
		return -EAGAIN;
	queue->runs[(queue->head + queue->nr++) % RUNS_MAX] = run;
	return 0;
}

/* The next piece that must be fetched of what was asked for. */
static bool next_piece(struct ahead *ahead, struct prefetch_run *ret_piece)
{
	struct run_queue *queue = &ahead->asked;

	while (queue->nr) {
		struct prefetch_run *run = &queue->runs[queue->head];
		uint64_t end = run->first_page + run->nr_pages;
		struct prefetch_run piece =
			wanted_cut(&ahead->pump->table, ahead->options.here,
				   run, SLOT_PAGES);
		bool is_stashed;

		wanted_stashed(ahead->options.stash, &piece, run, end,
			       &is_stashed);
		if (!run->nr_pages) {
			queue->head = (queue->head + 1) % RUNS_MAX;
			queue->nr--;
		}
		*ret_piece = piece;
		if (piece.nr_pages)
			return true;
	}
	return false;
}

/* ---- the thread ---- */

static struct slot *free_slot(struct ahead *ahead)
{
	if (ahead->nr_flying + SLOT_PAGES > FLYING_MAX)
		return NULL;
	for (unsigned i = 0; i < SLOTS; i++)
		if (!ahead->slots[i].busy)
			return &ahead->slots[i];
	return NULL;
}

/*
 * A slot whose pages the stash has needs no transport.  What turns out to be
 * damaged is asked for again, and then has to be fetched.  Lets the lock go.
 */
static void fill_slot(struct ahead *ahead, struct slot *slot,
		      struct prefetch_run piece)
{
	bool ok;

	slot->flight.delivered = false;
	(void)pthread_mutex_unlock(&ahead->pump->lock);
	ok = stash_get(ahead->options.stash, piece, slot->flight.buf);
	(void)pthread_mutex_lock(&ahead->pump->lock);
	landing_bring(&slot->flight, ok ? 0 : -EAGAIN);
}

static void start_slot(struct ahead *ahead, struct slot *slot,
		       struct prefetch_run piece)
{
	struct flight *flight = &slot->flight;
	bool is_stashed;

	slot->busy = true;
	flight->waiter = &ahead->waiter;
	flight->object = SOURCE_MEMORY;
	flight->raddr = piece.first_page << PAGE_SHIFT;
	flight->len_bytes = (uint32_t)(piece.nr_pages << PAGE_SHIFT);
	flight->buf = slot->buf;
	flight->kept = true;
	ahead->nr_flying += (unsigned)piece.nr_pages;
	(void)pageset_add(ahead->options.here, piece);
	foreseen_issued(ahead->options.foreseen, piece);
	(void)stash_look(ahead->options.stash, piece, &is_stashed);
	if (is_stashed)
		fill_slot(ahead, slot, piece);
	else
		landing_queue(ahead->pump, flight);
}

static bool has_work(const struct ahead *ahead)
{
	return !ahead->closing && ahead->asked.nr;
}

/* Fill free slots.  While the connection is broken, nothing is started. */
static void start_all(struct ahead *ahead)
{
	struct prefetch_run piece;
	struct slot *slot;
	bool started = false;

	if (has_work(ahead))
		(void)pump_mend(ahead->pump);
	while (!ahead->closing && !ahead->pump->broken &&
	       (slot = free_slot(ahead)) && next_piece(ahead, &piece)) {
		start_slot(ahead, slot, piece);
		started = true;
	}
	if (!started)
		return;
	pump_flush(ahead->pump);
	pump_elect(ahead->pump);
}

static struct prefetch_run run_of(const struct flight *flight)
{
	struct prefetch_run run = {page_of(flight->raddr),
				   flight->len_bytes >> PAGE_SHIFT};

	return run;
}

static void free_slot_again(struct ahead *ahead, struct slot *slot)
{
	ahead->nr_flying -= slot->flight.len_bytes >> PAGE_SHIFT;
	slot->busy = false;
}

/*
 * What the sink cannot take is not here.  Where it takes nothing any more there
 * is no use in bringing it.
 */
static void sink_slot(struct ahead *ahead, struct slot *slot)
{
	const struct ahead_options *options = &ahead->options;
	struct prefetch_run run = run_of(&slot->flight);
	int err;

	ahead->nr_losses = 0;
	slot->sinking = true;
	(void)pthread_mutex_unlock(&ahead->pump->lock);
	err = options->sink(options->sink_arg, run.first_page, run.nr_pages,
			    slot->buf);
	stash_put(options->stash, run, slot->buf);
	(void)pthread_mutex_lock(&ahead->pump->lock);
	landing_retire(ahead->pump, &slot->flight);
	slot->sinking = false;
	free_slot_again(ahead, slot);
	if (!err) {
		ahead->nr_reads++;
		ahead->nr_pages += run.nr_pages;
		return;
	}
	(void)pageset_del(options->here, run);
	foreseen_lost(ahead->options.foreseen, run);
	ahead->asked.nr = 0;
}

/*
 * A page that could not be read is left to demand, which will say why.  What a
 * break took along is asked for again, but not for ever.
 */
static void drop_slot(struct ahead *ahead, struct slot *slot)
{
	struct prefetch_run run = run_of(&slot->flight);

	(void)pageset_del(ahead->options.here, run);
	foreseen_lost(ahead->options.foreseen, run);
	free_slot_again(ahead, slot);
	if (slot->flight.result != -EIO && slot->flight.result != -ENOTCONN &&
	    slot->flight.result != -EAGAIN)
		return;
	ahead->nr_losses += slot->flight.result != -EAGAIN;
	if (ahead->nr_losses < LOSSES_MAX)
		(void)put_run(&ahead->asked, run); /* no room: let it go */
	else
		ahead->asked.nr = 0;
}

/* A flight that ended and that nobody is about yet, or NULL. */
static struct slot *ended_slot(struct ahead *ahead)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *slot = &ahead->slots[i];

		if (slot->busy && slot->flight.delivered && !slot->sinking)
			return slot;
	}
	return NULL;
}

static void finish_slot(struct ahead *ahead, struct slot *slot)
{
	if (!slot->flight.result)
		sink_slot(ahead, slot);
	else
		drop_slot(ahead, slot);
}

static bool any_flying(const struct ahead *ahead)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (ahead->slots[i].busy && !ahead->slots[i].flight.delivered)
			return true;
	return false;
}

static bool any_sinking(const struct ahead *ahead)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (ahead->slots[i].sinking)
			return true;
	return false;
}

/* Hand an ended flight to the helper, if it has nothing to do. */
static void delegate(struct ahead *ahead)
{
	if (!ahead->helper_idle || !ended_slot(ahead))
		return;
	ahead->helper_idle = false;
	(void)pthread_cond_signal(&ahead->arrived);
}

/*
 * Sleep until there is something to do; with work left that a lost far end
 * keeps from being done, for a while.
 */
static void wait_for_work(struct ahead *ahead)
{
	bool retry = has_work(ahead);
	struct timespec until = io_in_ms(RETRY_S * 1000);
	int err = 0;

	ahead->idle = true;
	if (!retry && !any_sinking(ahead))
		(void)pthread_cond_broadcast(&ahead->quiet);
	while (!ahead->waiter.ready && !err) {
		if (retry)
			err = pthread_cond_clockwait(&ahead->waiter.wake,
						     &ahead->pump->lock,
						     CLOCK_MONOTONIC, &until);
		else
			err = pthread_cond_wait(&ahead->waiter.wake,
						&ahead->pump->lock);
	}
	ahead->idle = false;
}

static void *ahead_main(void *arg)
{
	struct ahead *ahead = arg;
	struct pump *pump = ahead->pump;

	(void)pthread_mutex_lock(&pump->lock);
	for (;;) {
		struct slot *slot;

		ahead->waiter.ready = false;
		start_all(ahead);
		delegate(ahead);
		slot = ahead->helper_idle || any_flying(ahead)
			       ? NULL
			       : ended_slot(ahead);
		if (slot)
			finish_slot(ahead, slot);
		else if (any_flying(ahead))
			pump_watch(pump, &ahead->waiter);
		else if (ahead->closing && !any_sinking(ahead))
			break;
		else
			wait_for_work(ahead);
	}
	(void)pthread_mutex_unlock(&pump->lock);
	return NULL;
}

static void wake_thread(struct ahead *ahead)
{
	ahead->waiter.ready = true;
	if (ahead->idle)
		(void)pthread_cond_signal(&ahead->waiter.wake);
	else
		waiter_wake(&ahead->waiter, ahead->pump->kick_fd);
}

/*
 * The second thread: it puts pages into the sink, while the first one brings
 * more.
 */
static void *helper_main(void *arg)
{
	struct ahead *ahead = arg;
	struct slot *slot;

	(void)pthread_mutex_lock(&ahead->pump->lock);
	while (!ahead->ended) {
		slot = ended_slot(ahead);
		if (slot) {
			finish_slot(ahead, slot);
			wake_thread(ahead);
			continue;
		}
		ahead->helper_idle = true;
		(void)pthread_cond_wait(&ahead->arrived, &ahead->pump->lock);
	}
	(void)pthread_mutex_unlock(&ahead->pump->lock);
	return NULL;
}

/* ---- demand ---- */

void ahead_arrived(struct ahead *ahead)
{
	if (ahead && ahead->idle &&
	    has_work(ahead)) /* stopped by a break, now mended */
		wake_thread(ahead);
}

int ahead_add(struct ahead *ahead, struct prefetch_run run)
{
	int err = put_run(&ahead->asked, run);

	if (!err)
		wake_thread(ahead);
	return err;
}

bool ahead_wait(struct ahead *ahead, int timeout_ms)
{
	struct timespec until = io_in_ms(timeout_ms);
	int err = 0;

	while (!err && (ahead->asked.nr || ahead->nr_flying))
		err = pthread_cond_clockwait(&ahead->quiet, &ahead->pump->lock,
					     CLOCK_MONOTONIC, &until);
	return !err;
}

void ahead_get_stats(const struct ahead *ahead, struct fetch_stats *stats)
{
	stats->prefetch_reads += ahead->nr_reads;
	stats->prefetch_pages += ahead->nr_pages;
}

/* ---- life ---- */

static void ahead_free(struct ahead *ahead)
{
	if (!ahead)
		return;
	if (ahead->is_prepared) {
		(void)pthread_mutex_lock(&ahead->pump->lock);
		buffers_del(ahead->pump, ahead->bufs);
		(void)pthread_mutex_unlock(&ahead->pump->lock);
	}
	if (ahead->bufs)
		(void)munmap(ahead->bufs, SLOTS * SLOT_PAGES * PAGE_BYTES);
	waiter_done(&ahead->waiter);
	(void)pthread_cond_destroy(&ahead->quiet);
	(void)pthread_cond_destroy(&ahead->arrived);
	free(ahead);
}

static int enable_watch(struct pump *pump)
{
	int err;

	(void)pthread_mutex_lock(&pump->lock);
	err = pump_enable_watch(pump);
	(void)pthread_mutex_unlock(&pump->lock);
	return err;
}

static void prepare_buffers(struct ahead *ahead)
{
	(void)pthread_mutex_lock(&ahead->pump->lock);
	buffers_add(ahead->pump, ahead->bufs, SLOTS * SLOT_PAGES * PAGE_BYTES);
	(void)pthread_mutex_unlock(&ahead->pump->lock);
	ahead->is_prepared = true;
}

/* Slot buffers in one map, not touched before they are used. */
static int map_buffers(struct ahead *ahead)
{
	size_t bytes = SLOT_PAGES * PAGE_BYTES;
	char *bufs = mmap(NULL, SLOTS * bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bufs == MAP_FAILED)
		return -errno;
	ahead->bufs = bufs;
	for (unsigned i = 0; i < SLOTS; i++)
		ahead->slots[i].buf = bufs + i * bytes;
	return 0;
}

static void end_helper(struct ahead *ahead)
{
	if (!ahead->has_helper)
		return;
	(void)pthread_mutex_lock(&ahead->pump->lock);
	ahead->ended = true;
	(void)pthread_cond_signal(&ahead->arrived);
	(void)pthread_mutex_unlock(&ahead->pump->lock);
	(void)pthread_join(ahead->helper, NULL);
	ahead->has_helper = false;
}

/* Without a helper the one thread does it all. */
static int start_threads(struct ahead *ahead)
{
	int err;

	ahead->has_helper =
		!quietthread_start(&ahead->helper, helper_main, ahead);
	err = quietthread_start(&ahead->thread, ahead_main, ahead);
	if (err)
		end_helper(ahead);
	return err;
}

int ahead_open(struct pump *pump, const struct ahead_options *options,
	       struct ahead **ret)
{
	struct ahead *ahead = calloc(1, sizeof(*ahead));
	int err;

	if (!ahead)
		return -ENOMEM;
	ahead->pump = pump;
	ahead->options = *options;
	waiter_init(&ahead->waiter);
	(void)pthread_cond_init(&ahead->quiet, NULL);
	(void)pthread_cond_init(&ahead->arrived, NULL);
	ahead->waiter.any = true;
	err = map_buffers(ahead);
	if (!err)
		err = enable_watch(pump);
	if (!err)
		prepare_buffers(ahead);
	if (!err)
		err = start_threads(ahead);
	if (err) {
		ahead_free(ahead);
		return err;
	}
	*ret = ahead;
	return 0;
}

void ahead_close(struct ahead *ahead)
{
	if (!ahead)
		return;
	(void)pthread_mutex_lock(&ahead->pump->lock);
	ahead->closing = true;
	wake_thread(ahead);
	(void)pthread_mutex_unlock(&ahead->pump->lock);
	(void)pthread_join(ahead->thread, NULL);
	end_helper(ahead);
	ahead_free(ahead);
}
