/* SPDX-License-Identifier: MIT */
/*
 * pump.c - submit, reap, time out: one leader at a time
 */
#include "rdmafetch/pump.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/io.h"
#include "common/trace.h"
#include "rdmafetch/landing.h"
#include "rdmafetch/mend.h"

#define BATCH_READS 64u
#define NS_PER_MS   1000000ull
#define SLICE_MS    250 /* of a leader's wait: it must hear of pump_stop() */

uint64_t pump_try_ns(const struct pump *pump)
{
	return (uint64_t)pump->options.timeout_ms * NS_PER_MS;
}

void pump_elect(struct pump *pump)
{
	if (!pump->leading && !TAILQ_EMPTY(&pump->sleepers))
		waiter_wake(TAILQ_FIRST(&pump->sleepers), pump->kick_fd);
}

/* ---- submit ---- */

void pump_enter(struct pump *pump)
{
	pump->in_calls++;
	(void)pthread_mutex_unlock(&pump->lock);
}

void pump_leave(struct pump *pump)
{
	(void)pthread_mutex_lock(&pump->lock);
	if (--pump->in_calls == 0)
		(void)pthread_cond_broadcast(&pump->quiet);
}

static void start_try(struct pump *pump, struct flight *flight, uint64_t now)
{
	uint64_t try_ns = pump_try_ns(pump);

	if (!flight->give_up_ns)
		flight->give_up_ns = now + try_ns * pump->options.tries;
	flight->deadline_ns = now + try_ns;
	flight->nr_tries++;
	TRACE(fetch__begin, flight->object, flight->raddr, flight->len_bytes,
	      flight->kept);
	flight->state = FLIGHT_UNDERWAY;
	TAILQ_REMOVE(&pump->queue, flight, link);
	TAILQ_INSERT_TAIL(&pump->underway, flight, link);
}

static unsigned fill_batch(struct pump *pump, struct transport_read *batch)
{
	uint64_t now = io_monotonic_ns();
	struct flight *flight;
	unsigned nr = 0;

	while (nr < BATCH_READS && (flight = TAILQ_FIRST(&pump->queue))) {
		batch[nr].object = flight->object;
		batch[nr].len_bytes = flight->len_bytes;
		batch[nr].raddr = flight->raddr;
		batch[nr].buf = flight->buf;
		batch[nr].token = (uintptr_t)flight;
		batch[nr++].urgent = !flight->kept;
		start_try(pump, flight, now);
	}
	return nr;
}

/* Whether nothing can come out of reap() now. */
static bool is_idle(const struct pump *pump)
{
	return pump->nr_taken <= 0 && !pump->in_submit;
}

/* Deal with the reads at the end of a batch that the transport did not take. */
static void not_taken(struct pump *pump, const struct transport_read *batch,
		      unsigned nr, int err)
{
	struct flight_list landed = TAILQ_HEAD_INITIALIZER(landed);

	if (err == -EAGAIN && is_idle(pump))
		pump->broken = true; /* no room, and none will come */
	else if (err == -EAGAIN)
		pump->full = true;
	while (nr--) {
		struct flight *flight = (void *)(uintptr_t)batch[nr].token;

		if (err == -EAGAIN) {
			flight->nr_tries--;
			landing_requeue(pump, flight);
		} else {
			landing_land(pump, flight, err, &landed);
		}
	}
	landing_deliver(pump, &landed);
}

void pump_flush(struct pump *pump)
{
	struct transport_read batch[BATCH_READS];

	while (!TAILQ_EMPTY(&pump->queue) && !pump->full && !pump->broken) {
		struct transport *transport = pump->transport;
		unsigned nr = fill_batch(pump, batch), taken;
		int ret;

		pump->in_submit++;
		pump_enter(pump);
		ret = transport->ops->submit(transport, batch, nr);
		pump_leave(pump);
		pump->in_submit--;
		taken = ret > 0 ? (unsigned)ret : 0;
		pump->nr_taken += (int)taken;
		if (taken < nr)
			not_taken(pump, batch + taken, nr - taken,
				  ret < 0 ? ret : -EAGAIN);
	}
}

/* ---- reap ---- */

static int ms_to_deadline(const struct pump *pump)
{
	struct flight *first = TAILQ_FIRST(&pump->underway);
	uint64_t now = io_monotonic_ns(), ms;

	if (!first || first->deadline_ns <= now)
		return 0;
	ms = (first->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < SLICE_MS ? (int)ms : SLICE_MS;
}

static void check_deadline(struct pump *pump)
{
	struct flight *first = TAILQ_FIRST(&pump->underway);

	if (!first || first->deadline_ns > io_monotonic_ns())
		return;
	pump->stats.timeouts++;
	pump->broken = true;
}

/* Sort one finished read: landed, once more on this connection, or broken. */
static void take_done(struct pump *pump, const struct transport_done *done,
		      struct flight_list *landed)
{
	struct flight *flight = (void *)(uintptr_t)done->token;

	if (done->result == -EIO) {
		pump->broken = true; /* stays under way until the rebuild */
	} else if (done->result && done->result != -ESTALE &&
		   landing_worth_retry(pump, flight)) {
		pump->stats.retries++;
		landing_requeue(pump, flight);
	} else {
		landing_land(pump, flight, done->result, landed);
	}
}

/* Reap once as the leader.  Returns how many came. */
static unsigned reap(struct pump *pump, int timeout_ms)
{
	struct flight_list landed = TAILQ_HEAD_INITIALIZER(landed);
	struct transport *transport = pump->transport;
	struct transport_done done[BATCH_READS];
	int nr;

	(void)pthread_mutex_unlock(&pump->lock);
	nr = transport->ops->reap(transport, done, BATCH_READS, timeout_ms);
	(void)pthread_mutex_lock(&pump->lock);
	if (nr <= 0) {
		check_deadline(pump);
		return 0;
	}
	pump->nr_taken -= nr;
	pump->full = false;
	for (int i = 0; i < nr; i++)
		take_done(pump, &done[i], &landed);
	landing_deliver(pump, &landed);
	return (unsigned)nr;
}

/* ---- lead or sleep ---- */

/*
 * While somebody is still inside submit and nothing else is under way, reap()
 * would return at once, again and again: sleep, the submitter will elect.
 */
static bool may_lead(const struct pump *pump)
{
	return !pump->leading && (pump->nr_taken > 0 || !pump->in_submit);
}

/* Flush and reap once.  Returns false when there was nothing to reap. */
static bool turn(struct pump *pump, const struct waiter *waiter, bool block)
{
	if (is_idle(pump))
		pump->full = false;
	pump_flush(pump);
	if (waiter->ready || pump->broken)
		return true;
	return reap(pump, block ? ms_to_deadline(pump) : 0) > 0;
}

static void lead(struct pump *pump, struct waiter *waiter)
{
	pump->leading = true;
	while (!waiter->ready) {
		if (pump->broken)
			mend_for(pump, waiter);
		else if (!turn(pump, waiter, true) && pump->nr_taken <= 0 &&
			 pump->in_submit)
			break;
	}
	pump->leading = false;
}

void pump_wait(struct pump *pump, struct waiter *waiter)
{
	waiter->ready = !waiter->need;
	while (!waiter->ready) {
		if (may_lead(pump))
			lead(pump, waiter);
		else
			waiter_sleep(waiter, &pump->sleepers, &pump->lock);
	}
	pump_elect(pump);
}

static void poll_transport(struct pump *pump, struct waiter *waiter, int fd)
{
	struct pollfd fds[2] = {{fd, POLLIN, 0}, {pump->kick_fd, POLLIN, 0}};
	int timeout_ms = ms_to_deadline(pump);
	eventfd_t ignored;

	waiter->polling = true;
	pump_elect(pump);
	pump_enter(pump);
	(void)poll(fds, 2, timeout_ms);
	pump_leave(pump);
	waiter->polling = false;
	if (fds[1].revents)
		(void)eventfd_read(pump->kick_fd, &ignored);
}

/* Reap what is here already.  Returns false when that was nothing. */
static bool glance(struct pump *pump, struct waiter *waiter)
{
	bool some;

	pump->leading = true;
	some = turn(pump, waiter, false);
	pump->leading = false;
	return some || waiter->ready || pump->broken;
}

void pump_watch(struct pump *pump, struct waiter *waiter)
{
	int fd = -1;

	if (waiter->ready)
		return;
	if (!pump->broken)
		fd = pump->transport->ops->fd(pump->transport);
	if (!may_lead(pump))
		waiter_sleep(waiter, &pump->sleepers, &pump->lock);
	else if (fd < 0)
		lead(pump, waiter);
	else if (!glance(pump, waiter))
		poll_transport(pump, waiter, fd);
	pump_elect(pump);
}

int pump_mend(struct pump *pump)
{
	int err;

	if (!pump->broken)
		return 0;
	if (pump->leading)
		return -EAGAIN;
	pump->leading = true;
	err = mend_once(pump);
	pump->leading = false;
	pump_elect(pump);
	return err;
}

void pump_stop(struct pump *pump)
{
	pump->stopped = true;
	pump->broken = true;
	if (pump->kick_fd >= 0)
		(void)eventfd_write(pump->kick_fd, 1);
	pump_elect(pump);
}

struct retry_manner pump_manner(const struct pump *pump)
{
	return (struct retry_manner){
		.can_reopen = pump->options.reopen != NULL,
		.hard = pump->options.hard,
		.stopped = pump->stopped,
	};
}

/* ---- life ---- */

int pump_init(struct pump *pump, struct transport *transport,
	      const struct pump_options *options)
{
	memset(pump, 0, sizeof(*pump));
	pump->options = *options;
	if (!pump->options.tries)
		pump->options.tries = 1;
	pump->stats.least_ns = options->nil_ns;
	pump->transport = transport;
	pump->kick_fd = -1;
	TAILQ_INIT(&pump->queue);
	TAILQ_INIT(&pump->underway);
	TAILQ_INIT(&pump->sleepers);
	(void)pthread_cond_init(&pump->quiet, NULL);
	return -pthread_mutex_init(&pump->lock, NULL);
}

int pump_enable_watch(struct pump *pump)
{
	if (pump->kick_fd < 0)
		pump->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return pump->kick_fd < 0 ? -errno : 0;
}

void pump_done(struct pump *pump)
{
	if (pump->transport)
		pump->transport->ops->close(pump->transport);
	if (pump->kick_fd >= 0)
		(void)close(pump->kick_fd);
	(void)pthread_cond_destroy(&pump->quiet);
	(void)pthread_mutex_destroy(&pump->lock);
}
