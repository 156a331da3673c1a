/* SPDX-License-Identifier: MIT */
/*
 * zoo_pending.c - signals that were blocked and pending stay so, with their
 * data
 *
 * For the process and for one thread; queued real-time signals keep their order
 * and values.  Handlers and masks are as they were.
 */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	NR_QUEUED = 5,
};

static volatile sig_atomic_t handled;
static sigset_t blocked;
static struct sigaction inherited; /* what SIGINT does */

static void on_signal(int signal, siginfo_t *info, void *context)
{
	handled++;
}

static void handle(void)
{
	struct sigaction action = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	(void)sigaddset(&action.sa_mask, SIGPIPE);
	zoo_call(sigaction(SIGTERM, &action, NULL) == 0, "sigaction");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigaction(SIGINT, NULL, &inherited);
}

static void block(void)
{
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGUSR1);
	(void)sigaddset(&blocked, SIGUSR2);
	(void)sigaddset(&blocked, SIGRTMIN + 3);
	(void)pthread_sigmask(SIG_BLOCK, &blocked, NULL);
}

static void queue(void)
{
	for (int i = 0; i < NR_QUEUED; i++) {
		union sigval value = {.sival_int = 1000 + i};

		zoo_call(sigqueue(getpid(), SIGRTMIN + 3, value) == 0,
			 "sigqueue");
	}
	zoo_call(kill(getpid(), SIGUSR1) == 0, "kill");
	zoo_check(pthread_kill(pthread_self(), SIGUSR2) == 0, "pthread_kill");
}

static void check_mask(void)
{
	sigset_t mask;

	(void)pthread_sigmask(SIG_BLOCK, NULL, &mask);
	for (int i = 1; i < 32; i++)
		zoo_check(sigismember(&mask, i) == sigismember(&blocked, i),
			  "signal %d is %sblocked", i,
			  sigismember(&mask, i) ? "" : "not ");
}

static void check_actions(void)
{
	struct sigaction action;

	zoo_call(sigaction(SIGTERM, NULL, &action) == 0, "sigaction");
	zoo_check(action.sa_sigaction == on_signal &&
			  (action.sa_flags & SA_NODEFER) &&
			  sigismember(&action.sa_mask, SIGPIPE) == 1,
		  "the action of SIGTERM changed");
	zoo_call(sigaction(SIGPIPE, NULL, &action) == 0, "sigaction");
	zoo_check(action.sa_handler == SIG_IGN, "SIGPIPE is not ignored");
	zoo_call(sigaction(SIGINT, NULL, &action) == 0, "sigaction");
	zoo_check(action.sa_handler == inherited.sa_handler,
		  "the action of SIGINT changed");
	(void)raise(SIGTERM);
	zoo_check(handled == 1, "SIGTERM was handled %d times", handled);
}

static void take(int signal, int value)
{
	const struct timespec now = {0};
	sigset_t set;
	siginfo_t info;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, signal);
	zoo_call(sigtimedwait(&set, &info, &now) == signal,
		 "sigtimedwait for a pending signal");
	zoo_check(!value || info.si_value.sival_int == value,
		  "signal %d carries %d, not %d", signal,
		  info.si_value.sival_int, value);
}

/* The signal for one thread must not be seen from another. */
static void *cannot_take(void *arg)
{
	sigset_t pending;

	(void)sigpending(&pending);
	zoo_check(!sigismember(&pending, SIGUSR2),
		  "a thread's signal became the process's");
	zoo_check(sigismember(&pending, SIGUSR1) == 1,
		  "the process's signal is not pending");
	return arg;
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	handle();
	block();
	queue();
	zoo_ready();
	while (zoo_running())
		check_mask();

	check_mask();
	(void)zoo_join(zoo_thread(cannot_take, NULL));
	for (int i = 0; i < NR_QUEUED; i++)
		take(SIGRTMIN + 3, 1000 + i);
	take(SIGUSR1, 0);
	take(SIGUSR2, 0);
	(void)sigpending(&blocked);
	zoo_check(sigisemptyset(&blocked), "a signal is pending twice");
	block();
	check_actions();
	return zoo_end();
}
