/* SPDX-License-Identifier: MIT */
#include "parent/limit.h"

#include <errno.h>
#include <unistd.h>

#include "common/io.h"

#define NS_PER_MS 1000000ull

/* The timer goes on firing: one signal may fall just before a wait begins. */
#define AGAIN_MS 10

static void on_alarm(int signo)
{
	(void)signo; /* only there to interrupt a wait */
}

int limit_set(struct limit *ret_limit, int timeout_ms)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
				 .sigev_signo = SIGALRM};
	const struct itimerspec when = {
		.it_value = {timeout_ms / 1000,
			     timeout_ms % 1000 * (long)NS_PER_MS + 1},
		.it_interval = {0, AGAIN_MS * (long)NS_PER_MS}};

	event._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &ret_limit->timer) < 0)
		return -errno;
	(void)sigaction(SIGALRM, &action, &ret_limit->before);
	ret_limit->deadline_ns =
		io_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	(void)timer_settime(ret_limit->timer, 0, &when, NULL);
	return 0;
}

bool limit_is_over(const struct limit *limit)
{
	return io_monotonic_ns() >= limit->deadline_ns;
}

void limit_clear(struct limit *limit)
{
	(void)timer_delete(limit->timer);
	(void)sigaction(SIGALRM, &limit->before, NULL);
}
