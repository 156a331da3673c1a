/* SPDX-License-Identifier: MIT */
#include "fs/parking.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/quietthread.h"
#include "rdmafetch/retry.h"

/*
 * How soon a second, deadly signal is noticed, of which the kernel does not
 * tell; and that the mount is cut while reads wait.
 */
#define LOOK_MS 100

#define STATUS_BYTES 4096 /* of /proc/TID/status: more than it has */

struct parked {
	TAILQ_ENTRY(parked) link;
	struct parking *parking;
	struct parking_read read;
	pid_t tid;	     /* who asked; 0: not of our pid namespace */
	bool is_interrupted; /* a signal came, of whatever kind */
};

TAILQ_HEAD(parked_list, parked);

struct parking {
	struct fuse_session *fuse;
	struct fetch *fetch;
	void (*again)(const struct parking_read *read);
	pthread_t mender, guard;
	bool has_mender, has_guard;
	int kick_fd;	      /* wakes the guard */
	atomic_bool watching; /* the guard looks every LOOK_MS */
	uint64_t nr_reads;    /* at its last look */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* of all below */
	struct parked_list list;
	bool closing;
};

/* ---- one read ---- */

/* May come from parking_add() itself, before the read is in the list. */
static void on_interrupt(fuse_req_t req, void *arg)
{
	struct parked *parked = arg;

	(void)pthread_mutex_lock(&parked->parking->lock);
	parked->is_interrupted = true;
	(void)pthread_mutex_unlock(&parked->parking->lock);
	(void)eventfd_write(parked->parking->kick_fd, 1);
}

/* Let go of one that is in no list; its request remains, and is returned. */
static struct parking_read unpark(struct parked *parked)
{
	struct parking_read read = parked->read;

	/* Returns only when no on_interrupt() is under way. */
	fuse_req_interrupt_func(read.req, NULL, NULL);
	free(parked);
	return read;
}

static void end_all(struct parked_list *list, int error)
{
	struct parked *parked;

	while ((parked = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, parked, link);
		(void)fuse_reply_err(unpark(parked).req, error);
	}
}

static void take_all(struct parking *parking, struct parked_list *ret)
{
	TAILQ_INIT(ret);
	TAILQ_CONCAT(ret, &parking->list, link);
}

int parking_add(struct parking *parking, const struct parking_read *read)
{
	struct parked *parked = calloc(1, sizeof(*parked));
	bool closing, was_interrupted;

	if (!parked)
		return -ENOMEM;
	parked->parking = parking;
	parked->read = *read;
	parked->tid = fuse_req_ctx(read->req)->pid;
	/* Before it is in the list: from then on others may answer it. */
	fuse_req_interrupt_func(read->req, on_interrupt, parked);
	(void)pthread_mutex_lock(&parking->lock);
	closing = parking->closing;
	was_interrupted = parked->is_interrupted;
	if (!closing)
		TAILQ_INSERT_TAIL(&parking->list, parked, link);
	(void)pthread_cond_signal(&parking->changed);
	(void)pthread_mutex_unlock(&parking->lock);
	if (closing)
		(void)unpark(parked);
	else if (was_interrupted)
		(void)eventfd_write(parking->kick_fd, 1);
	return closing ? -ESHUTDOWN : 0;
}

/* ---- the mender ---- */

/* A connection was found, or it was found that none will do (@error). */
static void settle(struct parking *parking, int error)
{
	struct parked_list list;
	struct parked *parked;

	take_all(parking, &list);
	(void)pthread_mutex_unlock(&parking->lock);
	if (error)
		end_all(&list, EIO);
	while ((parked = TAILQ_FIRST(&list))) {
		struct parking_read read;

		TAILQ_REMOVE(&list, parked, link);
		read = unpark(parked);
		parking->again(&read);
	}
	(void)pthread_mutex_lock(&parking->lock);
}

static void pause_ms(struct parking *parking, unsigned ms)
{
	struct timespec until;
	int err = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!parking->closing && !err)
		err = pthread_cond_clockwait(&parking->changed, &parking->lock,
					     CLOCK_MONOTONIC, &until);
}

static void *mender_main(void *arg)
{
	struct parking *parking = arg;
	unsigned nr_failed = 0;

	(void)pthread_mutex_lock(&parking->lock);
	while (!parking->closing) {
		int err;

		if (TAILQ_EMPTY(&parking->list)) {
			(void)pthread_cond_wait(&parking->changed,
						&parking->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&parking->lock);
		err = fetch_mend(parking->fetch);
		(void)pthread_mutex_lock(&parking->lock);
		if (!err || err == -ESTALE)
			settle(parking, err);
		/* A connection that breaks at each read is none. */
		if (TAILQ_EMPTY(&parking->list))
			nr_failed = 0;
		else
			pause_ms(parking, retry_pause_ms(nr_failed++));
	}
	(void)pthread_mutex_unlock(&parking->lock);
	return NULL;
}

/* ---- the guard ---- */

bool parking_is_dying(const char *status)
{
	const char *line = strstr(status, "\nSigPnd:");
	uint64_t pending;

	if (!line || sscanf(line, "\nSigPnd: %" SCNx64, &pending) != 1)
		return false;
	return pending & (UINT64_C(1) << (SIGKILL - 1));
}

/* Whom we cannot see we cannot judge: then a signal is a signal. */
static bool must_end(const struct parked *parked)
{
	CLEANUP_FCLOSE FILE *file = NULL;
	char path[64], text[STATUS_BYTES];
	size_t len;

	if (!parked->is_interrupted || !parked->tid)
		return parked->is_interrupted;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", parked->tid);
	file = fopen(path, "re");
	if (!file)
		return true;
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	return parking_is_dying(text);
}

/* A parked read is looked at again and again: see next_look(). */
static void end_killed(struct parking *parking)
{
	struct parked_list killed = TAILQ_HEAD_INITIALIZER(killed);
	struct parked *parked, *next;

	(void)pthread_mutex_lock(&parking->lock);
	for (parked = TAILQ_FIRST(&parking->list); parked; parked = next) {
		next = TAILQ_NEXT(parked, link);
		if (must_end(parked)) {
			TAILQ_REMOVE(&parking->list, parked, link);
			TAILQ_INSERT_TAIL(&killed, parked, link);
		}
	}
	(void)pthread_mutex_unlock(&parking->lock);
	end_all(&killed, EINTR);
}

static bool is_closing(struct parking *parking)
{
	bool closing;

	(void)pthread_mutex_lock(&parking->lock);
	closing = parking->closing;
	(void)pthread_mutex_unlock(&parking->lock);
	return closing;
}

/* Take no more, and wake everybody. */
static void shut(struct parking *parking)
{
	struct parked_list list;

	(void)pthread_mutex_lock(&parking->lock);
	parking->closing = true;
	take_all(parking, &list);
	(void)pthread_cond_broadcast(&parking->changed);
	(void)pthread_mutex_unlock(&parking->lock);
	(void)eventfd_write(parking->kick_fd, 1);
	end_all(&list, ENOTCONN);
}

/*
 * Asked without waiting: who waits at the session's file is woken by each
 * question of the kernel's, a change of processes for every fault.
 */
static bool is_cut(const struct parking *parking)
{
	struct pollfd pollfd = {fuse_session_fd(parking->fuse), 0, 0};

	return poll(&pollfd, 1, 0) > 0; /* POLLERR comes unasked */
}

static bool has_parked(struct parking *parking)
{
	bool has;

	(void)pthread_mutex_lock(&parking->lock);
	has = !TAILQ_EMPTY(&parking->list);
	(void)pthread_mutex_unlock(&parking->lock);
	return has;
}

/* Whether anything was read since the last look, or is. */
static bool is_busy(struct parking *parking)
{
	struct fetch_stats stats;
	bool busy;

	fetch_get_stats(parking->fetch, &stats);
	busy = stats.demand_waiting || stats.demand_reads != parking->nr_reads;
	parking->nr_reads = stats.demand_reads;
	return busy || has_parked(parking);
}

/*
 * Milliseconds until the next look, -1: when there is a kick.  One look more
 * than seems needed: a read that saw @watching true may begin a moment later.
 */
static int next_look(struct parking *parking)
{
	if (is_busy(parking))
		atomic_store(&parking->watching, true);
	else if (!atomic_exchange(&parking->watching, false))
		return -1;
	return LOOK_MS;
}

static void *guard_main(void *arg)
{
	struct parking *parking = arg;
	struct pollfd kick = {parking->kick_fd, POLLIN, 0};
	eventfd_t ignored;

	while (!is_closing(parking)) {
		end_killed(parking);
		(void)poll(&kick, 1, next_look(parking));
		if (kick.revents)
			(void)eventfd_read(parking->kick_fd, &ignored);
		if (is_cut(parking)) {
			fetch_stop(parking->fetch);
			shut(parking);
		}
	}
	return NULL;
}

void parking_watch(struct parking *parking)
{
	if (atomic_load_explicit(&parking->watching, memory_order_relaxed))
		return;
	if (!atomic_exchange(&parking->watching, true))
		(void)eventfd_write(parking->kick_fd, 1);
}

/* ---- life ---- */

static int start_threads(struct parking *parking)
{
	int err = quietthread_start(&parking->mender, mender_main, parking);

	parking->has_mender = !err;
	if (!err)
		err = quietthread_start(&parking->guard, guard_main, parking);
	parking->has_guard = !err;
	return err;
}

int parking_open(struct fuse_session *fuse, struct fetch *fetch,
		 void (*again)(const struct parking_read *read),
		 struct parking **ret)
{
	struct parking *parking = calloc(1, sizeof(*parking));
	int err;

	if (!parking)
		return -ENOMEM;
	parking->fuse = fuse;
	parking->fetch = fetch;
	parking->again = again;
	TAILQ_INIT(&parking->list);
	(void)pthread_mutex_init(&parking->lock, NULL);
	(void)pthread_cond_init(&parking->changed, NULL);
	parking->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = parking->kick_fd < 0 ? -errno : start_threads(parking);
	if (err) {
		parking_close(parking);
		return err;
	}
	*ret = parking;
	return 0;
}

void parking_close(struct parking *parking)
{
	if (!parking)
		return;
	shut(parking);
	if (parking->has_mender)
		(void)pthread_join(parking->mender, NULL);
	if (parking->has_guard)
		(void)pthread_join(parking->guard, NULL);
	if (parking->kick_fd >= 0)
		(void)close(parking->kick_fd);
	(void)pthread_cond_destroy(&parking->changed);
	(void)pthread_mutex_destroy(&parking->lock);
	free(parking);
}
