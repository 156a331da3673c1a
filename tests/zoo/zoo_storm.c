/* SPDX-License-Identifier: MIT */
/*
 * zoo_storm.c - signals rain on threads that are busy, on stacks of their own
 *
 * Handlers run on alternate stacks, nest, and see the right mask; the threads
 * allocate, drop memory and make system calls all the while.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	NR_THREADS = 4,
	STACK_BYTES = 64 << 10,
	SLICE = 64 * ZOO_PAGE,
	MORE_HITS = 50,
};

struct target {
	pthread_t thread;
	volatile bool up, done;
	volatile uint64_t hits;
	char *slice, *stack;
};

static struct target targets[NR_THREADS];
static __thread struct target *self;

static bool on_alternate_stack(const void *place)
{
	return (const char *)place >= self->stack &&
	       (const char *)place < self->stack + STACK_BYTES;
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
	int saved = errno;
	sigset_t mask;
	char here = 0;

	zoo_check(self && on_alternate_stack(&here),
		  "a handler runs off its alternate stack");
	(void)pthread_sigmask(SIG_BLOCK, NULL, &mask);
	zoo_check(sigismember(&mask, signal) && sigismember(&mask, SIGHUP),
		  "a handler runs with another signal mask");
	self->hits++;
	errno = saved;
}

static void handle(int signal, int flags)
{
	struct sigaction action = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | flags,
	};

	(void)sigemptyset(&action.sa_mask);
	(void)sigaddset(&action.sa_mask, SIGHUP);
	zoo_call(sigaction(signal, &action, NULL) == 0, "sigaction");
}

/*
 * A supervised madvise() may be interrupted where a plain one never is; then it
 * has done nothing.  What counts is that success means zeros.
 */
static void drop(char *place, size_t bytes)
{
	int result;

	do
		result = madvise(place, bytes, MADV_DONTNEED);
	while (result < 0 && errno == EINTR);
	zoo_call(result == 0, "madvise");
	zoo_zero(place, bytes, "dropped under a signal storm");
}

static void work(struct target *me, uint64_t *random)
{
	uint64_t page = zoo_random(random) % 60;
	char *block = malloc(100000);

	zoo_fill(block, 100000, page);
	drop(me->slice + page * ZOO_PAGE, 4 * ZOO_PAGE);
	zoo_fill(me->slice + page * ZOO_PAGE, 4 * ZOO_PAGE, page);
	(void)getppid();
	zoo_filled(block, 100000, page, "block under a signal storm");
	zoo_filled(me->slice + page * ZOO_PAGE, 4 * ZOO_PAGE, page, "slice");
	free(block);
}

static void *live(void *arg)
{
	struct target *me = arg;
	uint64_t random = (uintptr_t)me | 1, seen;
	stack_t stack = {.ss_sp = me->stack, .ss_size = STACK_BYTES};
	stack_t now;

	self = me;
	zoo_call(sigaltstack(&stack, NULL) == 0, "sigaltstack");
	me->up = true;
	while (zoo_running())
		work(me, &random);
	for (seen = me->hits; me->hits < seen + MORE_HITS;)
		work(me, &random);
	zoo_call(sigaltstack(NULL, &now) == 0, "sigaltstack");
	zoo_check(now.ss_sp == me->stack && now.ss_size == STACK_BYTES,
		  "the alternate stack moved to %p", now.ss_sp);
	me->done = true;
	return NULL;
}

static bool all_done(void)
{
	for (int i = 0; i < NR_THREADS; i++)
		if (!targets[i].done)
			return false;
	return true;
}

static void rain(void)
{
	for (int i = 0; i < NR_THREADS; i++) {
		(void)pthread_kill(targets[i].thread,
				   i % 2 ? SIGUSR1 : SIGUSR2);
		(void)pthread_kill(targets[i].thread, SIGRTMIN);
	}
	(void)usleep(500);
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	handle(SIGUSR1, 0);
	handle(SIGUSR2, SA_RESTART);
	handle(SIGRTMIN, SA_RESTART);
	for (int i = 0; i < NR_THREADS; i++) {
		targets[i].stack = zoo_map(STACK_BYTES);
		targets[i].slice = zoo_map(SLICE);
		zoo_fill(targets[i].slice, SLICE, i);
		targets[i].thread = zoo_thread(live, &targets[i]);
		while (!targets[i].up)
			zoo_sleep_ms(1);
	}
	zoo_ready();
	while (zoo_running())
		rain();
	while (!all_done())
		rain();
	for (int i = 0; i < NR_THREADS; i++)
		(void)zoo_join(targets[i].thread);
	return zoo_end();
}
