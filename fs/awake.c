/* SPDX-License-Identifier: MIT */
#include "fs/awake.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/io.h"
#include "common/quietthread.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull
/* Faults have ended when none came for so long: from mount to load, it is less.
 */
#define LOOK_NS (20 * NS_PER_MS)
/* So much of the time that passes becomes credit: all in all, no more is used.
 */
#define CREDIT_SHARE 16
/* Less than this part of all credit is not begun with. */
#define BEGIN_SHARE 8

#define QOS_PATH "/dev/cpu_dma_latency"

struct awake {
	int fd;
	atomic_uint nr_reads;	 /* since the thread's last look */
	atomic_bool is_watching; /* the thread looks, again and again */
	pthread_mutex_t lock;	 /* of all below */
	pthread_cond_t wake;	 /* of the thread */
	pthread_t thread;
	struct awake_credit credit;
	bool is_ending;
};

/* ---- policy ---- */

static void settle(struct awake_credit *credit, uint64_t passed_ns)
{
	if (credit->is_held)
		credit->left_ns -= (int64_t)passed_ns;
	else
		credit->left_ns += (int64_t)passed_ns / CREDIT_SHARE;
	if (credit->left_ns > credit->max_ns)
		credit->left_ns = credit->max_ns;
}

bool awake_look(struct awake_credit *credit, uint64_t now_ns, bool busy)
{
	settle(credit, now_ns - credit->looked_ns);
	credit->looked_ns = now_ns;
	if (credit->is_held)
		credit->is_held = busy && credit->left_ns > 0;
	else
		credit->is_held =
			busy && credit->left_ns >= credit->max_ns / BEGIN_SHARE;
	return credit->is_held;
}

uint64_t awake_look_in_ns(const struct awake_credit *credit)
{
	if (!credit->is_held || credit->left_ns >= (int64_t)LOOK_NS)
		return LOOK_NS;
	return credit->left_ns > 0 ? (uint64_t)credit->left_ns : 0;
}

/* ---- mechanism; the lock is held ---- */

/* In microseconds that a CPU may take to wake: none, or as it likes. */
static void ask_kernel(const struct awake *awake, bool held)
{
	int32_t latency_us = held ? 0 : INT32_MAX;
	ssize_t n = write(awake->fd, &latency_us, sizeof(latency_us));

	(void)n; /* it is a wish */
}

static void look(struct awake *awake, bool busy)
{
	bool before = awake->credit.is_held;
	bool held = awake_look(&awake->credit, io_monotonic_ns(), busy);

	if (held != before)
		ask_kernel(awake, held);
}

static void sleep_until_look(struct awake *awake)
{
	uint64_t until_ns =
		io_monotonic_ns() + awake_look_in_ns(&awake->credit);
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S),
	};

	(void)pthread_cond_timedwait(&awake->wake, &awake->lock, &until);
}

static void *awake_main(void *arg)
{
	struct awake *awake = arg;
	bool busy;

	(void)pthread_mutex_lock(&awake->lock);
	while (!awake->is_ending) {
		if (!awake->is_watching) {
			(void)pthread_cond_wait(&awake->wake, &awake->lock);
			continue;
		}
		sleep_until_look(awake);
		busy = atomic_exchange(&awake->nr_reads, 0) > 0;
		look(awake, busy);
		awake->is_watching = busy;
	}
	(void)pthread_mutex_unlock(&awake->lock);
	return NULL;
}

static void begin(struct awake *awake)
{
	(void)pthread_mutex_lock(&awake->lock);
	if (!awake->is_watching) {
		awake->is_watching = true;
		look(awake, true);
		(void)pthread_cond_signal(&awake->wake);
	}
	(void)pthread_mutex_unlock(&awake->lock);
}

/* ---- life ---- */

static void init(struct awake *awake, unsigned max_ms)
{
	pthread_condattr_t attr;

	awake->credit.max_ns = (int64_t)(max_ms * NS_PER_MS);
	awake->credit.left_ns = awake->credit.max_ns;
	awake->credit.looked_ns = io_monotonic_ns();
	(void)pthread_mutex_init(&awake->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&awake->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
}

static void destroy(struct awake *awake)
{
	(void)close(awake->fd);
	(void)pthread_cond_destroy(&awake->wake);
	(void)pthread_mutex_destroy(&awake->lock);
	free(awake);
}

struct awake *awake_open(unsigned max_ms)
{
	int fd = max_ms ? open(QOS_PATH, O_WRONLY | O_CLOEXEC) : -1;
	struct awake *awake = fd < 0 ? NULL : calloc(1, sizeof(*awake));

	if (!awake) {
		if (fd >= 0)
			(void)close(fd);
		return NULL;
	}
	awake->fd = fd;
	init(awake, max_ms);
	begin(awake);
	if (!quietthread_start(&awake->thread, awake_main, awake))
		return awake;
	destroy(awake);
	return NULL;
}

void awake_read(struct awake *awake)
{
	if (!awake)
		return;
	(void)atomic_fetch_add_explicit(&awake->nr_reads, 1,
					memory_order_relaxed);
	if (!atomic_load_explicit(&awake->is_watching, memory_order_relaxed))
		begin(awake);
}

void awake_close(struct awake *awake)
{
	if (!awake)
		return;
	(void)pthread_mutex_lock(&awake->lock);
	awake->is_ending = true;
	(void)pthread_cond_signal(&awake->wake);
	(void)pthread_mutex_unlock(&awake->lock);
	(void)pthread_join(awake->thread, NULL);
	destroy(awake);
}
