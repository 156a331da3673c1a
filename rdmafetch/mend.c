/* SPDX-License-Identifier: MIT */
/*
 * mend.c - drop, sort out, open again
 */
#include "rdmafetch/mend.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>

#include "common/io.h"
#include "rdmafetch/buffers.h"
#include "rdmafetch/landing.h"

/* An image that is gone does not come back: who asks all the same waits for no
 * look, but now and then. */
#define GONE_NS 1000000000ull

/*
 * End a broken transport.  Nobody enters it any more (pump.broken is set), so
 * when the calls under way have left, closing it takes its hands off all
 * buffers.
 */
static void drop_transport(struct pump *pump)
{
	struct flight *flight;

	if (!pump->transport)
		return;
	if (pump->kick_fd >= 0)
		(void)eventfd_write(pump->kick_fd, 1);
	while (pump->in_calls)
		(void)pthread_cond_wait(&pump->quiet, &pump->lock);
	(void)pthread_mutex_unlock(&pump->lock);
	pump->transport->ops->close(pump->transport);
	(void)pthread_mutex_lock(&pump->lock);
	pump->transport = NULL;
	pump->nr_taken = 0;
	pump->full = false;
	while ((flight = TAILQ_LAST(&pump->underway, flight_list)))
		landing_requeue(pump, flight);
}

/* Reads that came while there was no connection have a limit too. */
static void stamp_queued(struct pump *pump)
{
	uint64_t all_ns = pump_try_ns(pump) * pump->options.tries;
	uint64_t now = io_monotonic_ns();
	struct flight *flight;

	TAILQ_FOREACH(flight, &pump->queue, link)
	if (!flight->give_up_ns)
		flight->give_up_ns = now + all_ns;
}

/* Fail all that is queued with @err, or with 0 what has used up its tries. */
static void fail_queued(struct pump *pump, int err)
{
	struct flight_list landed = TAILQ_HEAD_INITIALIZER(landed);
	struct flight *flight, *next;

	for (flight = TAILQ_FIRST(&pump->queue); flight; flight = next) {
		next = TAILQ_NEXT(flight, link);
		if (err || !landing_worth_retry(pump, flight))
			landing_land(pump, flight, err ? err : -EIO, &landed);
	}
	landing_deliver(pump, &landed);
}

/*
 * Fail what has used up its time.  Only for want of a connection: with one,
 * each read gets its tries, even if we slept through its time (a suspended
 * host).
 */
static void fail_late(struct pump *pump)
{
	struct flight_list landed = TAILQ_HEAD_INITIALIZER(landed);
	uint64_t now = io_monotonic_ns();
	struct flight *flight, *next;

	for (flight = TAILQ_FIRST(&pump->queue); flight; flight = next) {
		next = TAILQ_NEXT(flight, link);
		if (!flight->give_up_ns || now < flight->give_up_ns)
			continue;
		landing_land(pump, flight, -EIO, &landed);
		pump->lost = true;
	}
	landing_deliver(pump, &landed);
}

/* Drop what is broken and fail what may not be tried again. */
static void clear_away(struct pump *pump)
{
	drop_transport(pump);
	fail_queued(pump, retry_after_break(pump_manner(pump)));
}

/* Fail what a look for a connection that ended with @err has decided. */
static void fail_unconnected(struct pump *pump, int err, uint64_t look_from_ns)
{
	int verdict = retry_after_look(pump_manner(pump), err);
	uint64_t now = io_monotonic_ns();

	pump->gone = err == -ESTALE;
	if (verdict)
		fail_queued(pump, verdict);
	else if (pump->lost)
		fail_queued(pump, -EIO);
	else
		fail_late(pump);
	pump->lost |= pump->options.hard;
	/* Look half of the time at most: a silent host makes each look long. */
	pump->look_ns = now + (now - look_from_ns);
	if (pump->gone)
		pump->look_ns += GONE_NS;
}

static int connect_anew(struct pump *pump)
{
	struct transport *transport = NULL;
	uint64_t from_ns = io_monotonic_ns();
	struct flight *flight;
	int err;

	if (!pump->options.reopen || pump->stopped)
		return -EIO;
	if ((pump->lost || pump->gone) && from_ns < pump->look_ns) {
		err = pump->gone ? -ESTALE : -EIO;
		fail_queued(pump, err);
		return err;
	}
	stamp_queued(pump);
	(void)pthread_mutex_unlock(&pump->lock);
	err = pump->options.reopen(pump->options.reopen_arg, &transport);
	(void)pthread_mutex_lock(&pump->lock);
	if (err) {
		fail_unconnected(pump, err, from_ns);
		return err;
	}
	pump->transport = transport;
	pump->broken = pump->stopped;
	buffers_prepare(pump);
	pump->lost = pump->gone = false;
	pump->stats.reconnects++;
	TAILQ_FOREACH(flight, &pump->queue, link)
	pump->stats.retries += flight->nr_tries > 0;
	return 0;
}

int mend_once(struct pump *pump)
{
	clear_away(pump);
	return connect_anew(pump);
}

static void pause_ms(struct pump *pump, unsigned ms)
{
	struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

	(void)pthread_mutex_unlock(&pump->lock);
	(void)nanosleep(&t, NULL);
	(void)pthread_mutex_lock(&pump->lock);
}

void mend_for(struct pump *pump, const struct waiter *waiter)
{
	unsigned nr_failed = 0;

	clear_away(pump);
	while (!waiter->ready && connect_anew(pump)) {
		if (waiter->ready)
			return;
		pause_ms(pump, retry_pause_ms(nr_failed++));
		clear_away(pump);
	}
}
