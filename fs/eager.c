/* SPDX-License-Identifier: MIT */
#include "fs/eager.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/quietthread.h"

/*
 * The kernel may forget a file that nobody holds, and its pages with it: then
 * what is stored is refused, and we begin again.
 */
#define ROUNDS	8
#define LOOK_MS 200 /* how soon an end is noticed */
#define ROOM_MS 1   /* the queue is full; little of it goes in that time */

struct eager {
	struct eager_options options;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows; taken before the fetch's */
	uint64_t all_pages, start_ns, end_ns;
	int must_end, result;
	uint64_t come_pages,
		come_ns; /* the thread's: how many, and since when */
};

int eager_must_end(struct eager *eager)
{
	int result;

	(void)pthread_mutex_lock(&eager->lock);
	result = eager->must_end;
	(void)pthread_mutex_unlock(&eager->lock);
	return result;
}

static uint64_t here_pages(const struct eager *eager)
{
	struct fetch_stats stats;

	fetch_get_stats(eager->options.fetch, &stats);
	return stats.here_pages;
}

/*
 * Whether the far end has no such image any more, or nothing has come for
 * longer than a read waits, for want of a connection: what is asked for ahead
 * is asked for again for ever.
 */
static bool is_lost(struct eager *eager)
{
	const struct eager_options *options = &eager->options;
	struct fetch_stats stats;
	uint64_t now = io_monotonic_ns();
	int err;

	fetch_get_stats(options->fetch, &stats);
	if (stats.is_gone)
		return true;
	if (!options->patience_ns)
		return false;
	if (stats.prefetch_pages != eager->come_pages) {
		eager->come_pages = stats.prefetch_pages;
		eager->come_ns = now;
	}
	if (now - eager->come_ns <= options->patience_ns)
		return false;
	err = fetch_mend(options->fetch);
	return err && err != -EAGAIN;
}

static int may_go_on(struct eager *eager)
{
	if (eager_must_end(eager))
		return -ECANCELED;
	return is_lost(eager) ? -EIO : 0;
}

static int wait_quiet(struct eager *eager)
{
	int r = 0;

	while (!r && !fetch_wait_ahead(eager->options.fetch, LOOK_MS))
		r = may_go_on(eager);
	return r;
}

/* Ask for all runs, as the queue has room, until they have come or failed. */
static int bring_runs(struct eager *eager)
{
	const struct eager_options *options = &eager->options;

	for (unsigned i = 0; i < options->nr_runs;) {
		const struct prefetch_run *run = &options->runs[i];
		int r = fetch_ahead(options->fetch, run->first_page,
				    run->nr_pages);

		if (r && r != -EAGAIN)
			return r;
		if (r)
			(void)fetch_wait_ahead(options->fetch, ROOM_MS);
		else
			i++;
		r = may_go_on(eager);
		if (r)
			return r;
	}
	return wait_quiet(eager);
}

static int bring_all(struct eager *eager)
{
	const struct eager_options *options = &eager->options;
	struct stat st;
	int r;

	for (int round = 0; round < ROUNDS; round++) {
		if (stat(options->space_path, &st))
			return -errno;
		if (options->known)
			options->known(options->arg);
		r = bring_runs(eager);
		if (r)
			return r;
		if (!options->is_all || here_pages(eager) >= eager->all_pages)
			return 0;
	}
	return -EIO;
}

static void *eager_main(void *arg)
{
	struct eager *eager = arg;
	int result = bring_all(eager);

	(void)pthread_mutex_lock(&eager->lock);
	eager->end_ns = io_monotonic_ns();
	eager->result = result;
	(void)pthread_mutex_unlock(&eager->lock);
	if (eager->options.done)
		eager->options.done(eager->options.arg, result);
	return NULL;
}

void eager_get_state(struct eager *eager, struct eager_state *ret_state)
{
	ret_state->here_pages = here_pages(eager);
	(void)pthread_mutex_lock(&eager->lock);
	ret_state->all_pages = eager->all_pages;
	ret_state->is_over = eager->end_ns != 0;
	ret_state->result = eager->result;
	ret_state->took_ns =
		(eager->end_ns ? eager->end_ns : io_monotonic_ns()) -
		eager->start_ns;
	(void)pthread_mutex_unlock(&eager->lock);
}

int eager_open(const struct eager_options *options, struct eager **ret)
{
	struct eager *eager = calloc(1, sizeof(*eager));
	int err;

	if (!eager)
		return -ENOMEM;
	eager->options = *options;
	eager->all_pages =
		image_present_pages(options->image, 0, UINT64_MAX >> 12);
	eager->start_ns = eager->come_ns = io_monotonic_ns();
	(void)pthread_mutex_init(&eager->lock, NULL);
	*ret = eager; /* the thread may ask for it before we return */
	err = quietthread_start(&eager->thread, eager_main, eager);
	if (err) {
		*ret = NULL;
		(void)pthread_mutex_destroy(&eager->lock);
		free(eager);
		return err;
	}
	return 0;
}

void eager_close(struct eager *eager)
{
	if (!eager)
		return;
	(void)pthread_mutex_lock(&eager->lock);
	eager->must_end = 1;
	(void)pthread_mutex_unlock(&eager->lock);
	(void)pthread_join(eager->thread, NULL);
	(void)pthread_mutex_destroy(&eager->lock);
	free(eager);
}
