/* SPDX-License-Identifier: MIT */
/*
 * zoo_sleep.c - calls that wait in the kernel while the image is taken
 *
 * Each thread repeats one waiting call.  Neither the parent nor the child may
 * see it end early or with EINTR: no signal is ever sent here.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

#define WAIT_MS 150
#define WAIT_NS (WAIT_MS * 1000000ull)

static const struct timespec relative = {0, WAIT_NS};

static struct timespec absolute(void)
{
	uint64_t then = zoo_now_ns() + WAIT_NS;

	return (struct timespec){then / 1000000000, then % 1000000000};
}

static int wait_nanosleep(void)
{
	return nanosleep(&relative, NULL);
}

static int wait_clock_nanosleep(void)
{
	struct timespec then = absolute();

	errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL);
	return errno ? -1 : 0;
}

static int wait_poll(void)
{
	return poll(NULL, 0, WAIT_MS);
}

static int wait_ppoll(void)
{
	return ppoll(NULL, 0, &relative, NULL);
}

static int wait_select(void)
{
	struct timeval timeout = {0, WAIT_NS / 1000};

	return select(0, NULL, NULL, NULL, &timeout);
}

static int wait_pselect(void)
{
	return pselect(0, NULL, NULL, NULL, &relative, NULL);
}

static int wait_epoll(void)
{
	static int epoll = -1;
	struct epoll_event event;

	if (epoll < 0)
		epoll = epoll_create1(EPOLL_CLOEXEC);
	return epoll_wait(epoll, &event, 1, WAIT_MS);
}

static int expect_timeout(long result, int timeout_errno)
{
	return result == -1 && errno == timeout_errno ? 0 : -1;
}

static int wait_sigtimedwait(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	return expect_timeout(sigtimedwait(&set, NULL, &relative), EAGAIN);
}

static int wait_futex(void)
{
	static uint32_t word;

	return expect_timeout(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0,
				      &relative, NULL, 0),
			      ETIMEDOUT);
}

static int wait_futex_absolute(void)
{
	static uint32_t word;
	struct timespec then = absolute();

	return expect_timeout(syscall(SYS_futex, &word,
				      FUTEX_WAIT_BITSET_PRIVATE, 0, &then, NULL,
				      FUTEX_BITSET_MATCH_ANY),
			      ETIMEDOUT);
}

static int wait_condition(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
	struct timespec then = absolute();

	(void)pthread_mutex_lock(&mutex);
	errno = pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC,
				       &then);
	(void)pthread_mutex_unlock(&mutex);
	return expect_timeout(-1, ETIMEDOUT);
}

static int wait_timerfd(void)
{
	static int timer = -1;
	const struct itimerspec once = {.it_value = relative};
	uint64_t ticks;

	if (timer < 0)
		timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (timerfd_settime(timer, 0, &once, NULL) < 0)
		return -1;
	return read(timer, &ticks, sizeof(ticks)) == sizeof(ticks) ? 0 : -1;
}

static const struct waiter {
	const char *name;
	int (*wait)(void);
} waiters[] = {
	{"nanosleep", wait_nanosleep},
	{"clock_nanosleep", wait_clock_nanosleep},
	{"poll", wait_poll},
	{"ppoll", wait_ppoll},
	{"select", wait_select},
	{"pselect", wait_pselect},
	{"epoll_wait", wait_epoll},
	{"sigtimedwait", wait_sigtimedwait},
	{"futex", wait_futex},
	{"futex, absolute", wait_futex_absolute},
	{"pthread_cond_clockwait", wait_condition},
	{"read of a timerfd", wait_timerfd},
};

#define NR_WAITERS (sizeof(waiters) / sizeof(waiters[0]))

static void *repeat(void *arg)
{
	const struct waiter *waiter = arg;
	bool more;

	do {
		uint64_t start = zoo_now_ns(), waited;

		more = zoo_running();
		zoo_call(waiter->wait() == 0, waiter->name);
		waited = zoo_now_ns() - start;
		zoo_check(waited >= WAIT_NS, "%s: came back after %lu us",
			  waiter->name, waited / 1000);
	} while (more);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[NR_WAITERS];
	sigset_t set;

	zoo_start(argc, argv);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < NR_WAITERS; i++)
		threads[i] = zoo_thread(repeat, (void *)&waiters[i]);
	zoo_sleep_ms(20);
	zoo_ready();
	for (size_t i = 0; i < NR_WAITERS; i++)
		(void)zoo_join(threads[i]);
	return zoo_end();
}
