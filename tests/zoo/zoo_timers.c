/* SPDX-License-Identifier: MIT */
/*
 * zoo_timers.c - timers that were running go on running
 *
 * setitimer, timer_create with a value and to one thread, timerfd through
 * epoll, a timer far in the future, one that is not armed, and periodic ones
 * that were stopped.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

#define TICK_NS	 (10 * 1000000l)
#define HOUR_S	 3600
#define MAGIC	 0x1234567890
#define NR_TICKS 5

static volatile sig_atomic_t itimer_ticks, value_ticks, thread_ticks;
static volatile pid_t thread_tid;
static timer_t by_value, by_thread, far_away, idle;
static const struct itimerspec every_tick = {{0, TICK_NS}, {0, TICK_NS}};

static void on_itimer(int signal)
{
	itimer_ticks++;
}

static void on_value(int signal, siginfo_t *info, void *context)
{
	zoo_check(info->si_value.sival_ptr == (void *)MAGIC,
		  "a timer's signal carries %p", info->si_value.sival_ptr);
	value_ticks++;
}

static void on_thread(int signal)
{
	zoo_check(gettid() == thread_tid, "the timer of thread %d hit %d",
		  thread_tid, gettid());
	thread_ticks++;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};

	zoo_call(sigaction(signal, &action, NULL) == 0, "sigaction");
}

static void make_timer(timer_t *timer, int signal, pid_t tid)
{
	struct sigevent event = {
		.sigev_notify = tid ? SIGEV_THREAD_ID : SIGEV_SIGNAL,
		.sigev_signo = signal,
		.sigev_value.sival_ptr = (void *)MAGIC,
	};

	event._sigev_un._tid = tid;
	zoo_call(timer_create(CLOCK_MONOTONIC, &event, timer) == 0,
		 "timer_create");
}

static void set_timer(timer_t timer, const struct itimerspec *when)
{
	zoo_call(timer_settime(timer, 0, when, NULL) == 0, "timer_settime");
}

static void make_all(void)
{
	const struct itimerval every = {{0, TICK_NS / 1000},
					{0, TICK_NS / 1000}};
	const struct itimerspec in_an_hour = {.it_value = {HOUR_S, 0}};

	(void)signal(SIGALRM, on_itimer);
	handle(SIGRTMIN, on_value);
	(void)signal(SIGRTMIN + 1, on_thread);
	zoo_call(setitimer(ITIMER_REAL, &every, NULL) == 0, "setitimer");
	make_timer(&by_value, SIGRTMIN, 0);
	make_timer(&by_thread, SIGRTMIN + 1, thread_tid);
	make_timer(&far_away, SIGRTMIN + 2, 0);
	make_timer(&idle, SIGRTMIN + 2, 0);
	set_timer(by_value, &every_tick);
	set_timer(by_thread, &every_tick);
	set_timer(far_away, &in_an_hour);
}

/* These two show their interval for ever. */
static int stop_some(void)
{
	const struct itimerval off = {.it_interval = {0, 1000}};
	const struct itimerspec fd_off = {.it_interval = {0, 1000000}};
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	zoo_call(timerfd_settime(timer, 0, &every_tick, NULL) == 0 &&
			 timerfd_settime(timer, 0, &fd_off, NULL) == 0,
		 "timerfd_settime");
	zoo_call(setitimer(ITIMER_PROF, &off, NULL) == 0, "setitimer");
	return timer;
}

static void check_stopped(int timer)
{
	struct itimerval left;
	struct itimerspec fd_left;
	uint64_t ticks;

	zoo_call(getitimer(ITIMER_PROF, &left) == 0, "getitimer");
	zoo_check(!left.it_value.tv_sec && !left.it_value.tv_usec,
		  "ITIMER_PROF runs, %ld us", left.it_value.tv_usec);
	zoo_check(left.it_interval.tv_usec == 1000,
		  "ITIMER_PROF has lost its interval");
	zoo_call(timerfd_gettime(timer, &fd_left) == 0, "timerfd_gettime");
	zoo_check(!fd_left.it_value.tv_sec && !fd_left.it_value.tv_nsec,
		  "a stopped timerfd runs");
	zoo_check(fd_left.it_interval.tv_nsec == 1000000,
		  "a stopped timerfd has lost its interval");
	zoo_check(read(timer, &ticks, sizeof(ticks)) < 0 && errno == EAGAIN,
		  "a stopped timerfd ticked");
}

static int make_timerfd(int *ret_timer)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct epoll_event event = {EPOLLIN, {.u64 = MAGIC}};

	zoo_call(timerfd_settime(timer, 0, &every_tick, NULL) == 0,
		 "timerfd_settime");
	zoo_call(epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) == 0,
		 "epoll_ctl");
	*ret_timer = timer;
	return epoll;
}

static void timerfd_tick(int epoll, int timer)
{
	struct epoll_event event;
	uint64_t ticks;
	int nr;

	do
		nr = epoll_wait(epoll, &event, 1, -1);
	while (nr < 0 && errno == EINTR);
	zoo_call(nr == 1, "epoll_wait");
	zoo_check(event.data.u64 == MAGIC, "epoll's data is %#lx",
		  event.data.u64);
	zoo_call(read(timer, &ticks, sizeof(ticks)) == sizeof(ticks) ||
			 errno == EAGAIN,
		 "read of the timerfd");
}

static void *ticked_thread(void *arg)
{
	sigset_t set;

	thread_tid = gettid();
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)sigaddset(&set, SIGRTMIN);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	*(volatile bool *)arg = true;
	while (zoo_running())
		zoo_sleep_ms(5);
	for (int seen = thread_ticks; thread_ticks < seen + NR_TICKS;)
		zoo_sleep_ms(1);
	return NULL;
}

static void check_far_timers(void)
{
	struct itimerspec left;

	zoo_call(timer_gettime(far_away, &left) == 0, "timer_gettime");
	zoo_check(left.it_value.tv_sec > HOUR_S - 600 &&
			  left.it_value.tv_sec <= HOUR_S,
		  "the timer of an hour has %ld s left", left.it_value.tv_sec);
	zoo_call(timer_gettime(idle, &left) == 0, "timer_gettime");
	zoo_check(left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0,
		  "the idle timer runs");
}

int main(int argc, char **argv)
{
	volatile bool started = false;
	pthread_t thread;
	int epoll, timer, stopped;

	zoo_start(argc, argv);
	thread = zoo_thread(ticked_thread, (void *)&started);
	while (!started)
		zoo_sleep_ms(1);
	make_all();
	epoll = make_timerfd(&timer);
	stopped = stop_some();
	zoo_ready();
	while (zoo_running())
		timerfd_tick(epoll, timer);

	for (int i = 0; i < NR_TICKS; i++)
		timerfd_tick(epoll, timer);
	for (int seen = itimer_ticks; itimer_ticks < seen + NR_TICKS;)
		zoo_sleep_ms(1);
	for (int seen = value_ticks; value_ticks < seen + NR_TICKS;)
		zoo_sleep_ms(1);
	check_far_timers();
	check_stopped(stopped);
	(void)zoo_join(thread);
	zoo_call(timer_delete(by_value) == 0, "timer_delete");
	zoo_call(timer_delete(by_thread) == 0, "timer_delete");
	return zoo_end();
}
