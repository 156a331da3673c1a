/* SPDX-License-Identifier: MIT */
/*
 * ahead.c - runs come in, flights go out, pages go to the sink
 */
#include "rdmafetch/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
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
#include "rdmafetch/lot.h"
#include "rdmafetch/sinking.h"
#include "rdmafetch/stash.h"
#include "rdmafetch/wanted.h"

#define LOTS	   4u	     /* one fills, one is under way, one is stored */
#define FLYING_MAX LOT_PAGES /* pages: a demand read waits behind */
#define RUNS_MAX   64u

/* Flights lost to breaks in a row, after which the rest is left to demand. */
#define LOSSES_MAX (4 * LOTS * LOT_PIECES) /* a break takes all of one turn */
#define RETRY_S	   1 /* between attempts to reach a lost far end */

struct run_queue {
	struct prefetch_run runs[RUNS_MAX]; /* a ring */
	unsigned head, nr;
};

struct ahead {
	struct pump *pump;
	struct ahead_options options;
	struct run_queue asked;
	struct lot lots[LOTS];
	struct lot *open; /* the next piece goes here; or NULL */
	char *bufs;
	struct waiter waiter;
	pthread_t thread, helper;
	uint64_t nr_reads, nr_pages;
	unsigned nr_losses;
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
				   run, LOT_PIECE_PAGES);
		bool is_stashed;

		lot_trim(&piece, run, end);
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

static unsigned flying_pages(const struct ahead *ahead)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < LOTS; i++)
		nr += lot_flying_pages(&ahead->lots[i]);
	return nr;
}

static struct lot *free_lot(struct ahead *ahead)
{
	for (unsigned i = 0; i < LOTS; i++)
		if (!ahead->lots[i].nr)
			return &ahead->lots[i];
	return NULL;
}

/* A lot that ended and that nobody is about yet, or NULL. */
static struct lot *ended_lot(struct ahead *ahead)
{
	for (unsigned i = 0; i < LOTS; i++)
		if (lot_ended(&ahead->lots[i]))
			return &ahead->lots[i];
	return NULL;
}

/* Hand an ended lot to the helper, if it has nothing to do. */
static void delegate(struct ahead *ahead)
{
	if (!ahead->helper_idle || !ended_lot(ahead))
		return;
	ahead->helper_idle = false;
	(void)pthread_cond_signal(&ahead->arrived);
}

static void close_lot(struct ahead *ahead)
{
	ahead->open->closed = true;
	ahead->open = NULL;
	delegate(ahead);
}

/* Without a helper what has come goes on before more is asked for. */
static bool has_room(struct ahead *ahead)
{
	if (flying_pages(ahead) + LOT_PIECE_PAGES > FLYING_MAX ||
	    (!ahead->has_helper && ended_lot(ahead)))
		return false;
	return ahead->open || free_lot(ahead);
}

/* The lot for @piece, as there is room for one. */
static struct lot *lot_for(struct ahead *ahead, struct prefetch_run piece)
{
	struct lot *lot = free_lot(ahead);

	if (ahead->open && lot && lot_wants_first(piece))
		close_lot(ahead);
	if (!ahead->open)
		ahead->open = lot;
	return ahead->open;
}

/*
 * What the stash has needs no transport.  What turns out to be damaged is asked
 * for again, and then has to be fetched.  Lets the lock go.
 */
static void fill_piece(struct ahead *ahead, struct flight *flight)
{
	bool ok;

	(void)pthread_mutex_unlock(&ahead->pump->lock);
	ok = stash_get(ahead->options.stash, lot_run(flight), flight->buf);
	(void)pthread_mutex_lock(&ahead->pump->lock);
	landing_bring(flight, ok ? 0 : -EAGAIN);
}

static void start_piece(struct ahead *ahead, struct prefetch_run piece)
{
	struct flight *flight = lot_add(lot_for(ahead, piece), piece);
	bool is_stashed;

	flight->waiter = &ahead->waiter;
	(void)pageset_add(ahead->options.here, piece);
	foreseen_issued(ahead->options.foreseen, piece);
	(void)stash_look(ahead->options.stash, piece, &is_stashed);
	if (is_stashed)
		fill_piece(ahead, flight);
	else
		landing_queue(ahead->pump, flight);
	if (ahead->open->closed)
		close_lot(ahead);
}

static bool has_work(const struct ahead *ahead)
{
	return !ahead->closing && ahead->asked.nr;
}

/* Nothing is under way in it, and nothing came for it: it is as full as it
 * gets. */
static void close_last(struct ahead *ahead)
{
	if (ahead->open && !lot_flying_pages(ahead->open))
		close_lot(ahead);
}

/* Fill lots.  While the connection is broken, nothing is started. */
static void start_all(struct ahead *ahead)
{
	struct prefetch_run piece;
	bool started = false;

	if (has_work(ahead))
		(void)pump_mend(ahead->pump);
	while (!ahead->closing && !ahead->pump->broken && has_room(ahead) &&
	       next_piece(ahead, &piece)) {
		start_piece(ahead, piece);
		started = true;
	}
	close_last(ahead);
	if (!started)
		return;
	pump_flush(ahead->pump);
	pump_elect(ahead->pump);
}

/*
 * What the sink cannot take is not here.  Where it takes nothing any more there
 * is no use in bringing it.
 */
static void retire_piece(struct ahead *ahead, struct flight *flight, int err)
{
	struct prefetch_run run = lot_run(flight);

	landing_retire(ahead->pump, flight);
	ahead->nr_losses = 0;
	if (!err) {
		ahead->nr_reads++;
		ahead->nr_pages += run.nr_pages;
		return;
	}
	(void)pageset_del(ahead->options.here, run);
	foreseen_lost(ahead->options.foreseen, run);
	ahead->asked.nr = 0;
}

/*
 * A page that could not be read is left to demand, which will say why.  What a
 * break took along is asked for again, but not for ever.
 */
static void drop_piece(struct ahead *ahead, const struct flight *flight)
{
	struct prefetch_run run = lot_run(flight);

	(void)pageset_del(ahead->options.here, run);
	foreseen_lost(ahead->options.foreseen, run);
	if (flight->result != -EIO && flight->result != -ENOTCONN &&
	    flight->result != -EAGAIN)
		return;
	ahead->nr_losses += flight->result != -EAGAIN;
	if (ahead->nr_losses < LOSSES_MAX)
		(void)put_run(&ahead->asked, run); /* no room: let it go */
	else
		ahead->asked.nr = 0;
}

/* What did not come goes first: demand may bring it while the rest is stored.
 */
static void finish_lot(struct ahead *ahead, struct lot *lot)
{
	const struct sinking sinking = {
		.sink = ahead->options.sink,
		.arg = ahead->options.sink_arg,
		.stash = ahead->options.stash,
	};
	uint64_t taken[LOT_PIECES];
	int errs[LOT_PIECES];

	for (unsigned i = 0; i < lot->nr; i++)
		if (lot->pieces[i].result)
			drop_piece(ahead, &lot->pieces[i]);
	lot->sinking = true;
	memcpy(taken, lot->taken, sizeof(taken));
	(void)pthread_mutex_unlock(&ahead->pump->lock);
	sinking_put(&sinking, lot, taken, errs);
	(void)pthread_mutex_lock(&ahead->pump->lock);
	for (unsigned i = 0; i < lot->nr; i++)
		if (!lot->pieces[i].result)
			retire_piece(ahead, &lot->pieces[i], errs[i]);
	lot_clear(lot);
}

static bool any_sinking(const struct ahead *ahead)
{
	for (unsigned i = 0; i < LOTS; i++)
		if (ahead->lots[i].sinking)
			return true;
	return false;
}

/* Nothing is under way, or being stored, or waits for that. */
static bool is_empty(const struct ahead *ahead)
{
	for (unsigned i = 0; i < LOTS; i++)
		if (ahead->lots[i].nr)
			return false;
	return true;
}

/* What this thread shall hand on, or NULL: it is the helper's. */
static struct lot *own_lot(struct ahead *ahead)
{
	bool is_helpers = ahead->has_helper &&
			  (ahead->helper_idle || flying_pages(ahead));

	return is_helpers ? NULL : ended_lot(ahead);
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
		struct lot *lot;

		ahead->waiter.ready = false;
		start_all(ahead);
		delegate(ahead);
		lot = own_lot(ahead);
		if (lot)
			finish_lot(ahead, lot);
		else if (flying_pages(ahead))
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
	struct lot *lot;

	(void)pthread_mutex_lock(&ahead->pump->lock);
	while (!ahead->ended) {
		lot = ended_lot(ahead);
		if (lot) {
			finish_lot(ahead, lot);
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

void ahead_joined(struct ahead *ahead, const struct flight *flight,
		  struct prefetch_run run)
{
	if (!ahead || !ahead->options.spares_taken)
		return;
	for (unsigned i = 0; i < LOTS; i++)
		if (lot_take(&ahead->lots[i], flight, run))
			return;
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

	while (!err && (ahead->asked.nr || !is_empty(ahead)))
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
		(void)munmap(ahead->bufs, LOTS * LOT_PAGES * PAGE_BYTES);
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
	buffers_add(ahead->pump, ahead->bufs, LOTS * LOT_PAGES * PAGE_BYTES);
	(void)pthread_mutex_unlock(&ahead->pump->lock);
	ahead->is_prepared = true;
}

/* Lot buffers in one map, not touched before they are used. */
static int map_buffers(struct ahead *ahead)
{
	size_t bytes = LOT_PAGES * PAGE_BYTES;
	char *bufs = mmap(NULL, LOTS * bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bufs == MAP_FAILED)
		return -errno;
	ahead->bufs = bufs;
	for (unsigned i = 0; i < LOTS; i++)
		ahead->lots[i].buf = bufs + i * bytes;
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

/*
 * Two CPUs are for the one thread and for whoever sends: on one machine the far
 * end, else the network.  A third thread would be in the sender's way.  Unless
 * there is none, and bringing pages is this thread's own work.
 */
static bool needs_helper(const struct ahead *ahead)
{
	struct transport *transport = ahead->pump->transport;
	cpu_set_t cpus;

	return transport->ops->fd(transport) < 0 ||
	       sched_getaffinity(0, sizeof(cpus), &cpus) ||
	       CPU_COUNT(&cpus) > 2;
}

/* Without a helper the one thread does it all. */
static int start_threads(struct ahead *ahead)
{
	int err;

	ahead->has_helper =
		needs_helper(ahead) &&
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
