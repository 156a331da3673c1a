/* SPDX-License-Identifier: MIT */
/*
 * zoo_threads.c - 200 threads with their tids, names and thread-local memory
 *
 * Afterwards signals still reach each thread by its tid, all can be joined, and
 * new ones can be made.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	NR_THREADS = 200,
	NR_LATER = 50,
	STACK_BYTES = 64 << 10,
};

struct member {
	pthread_t thread;
	volatile pid_t tid;
	volatile pid_t signalled; /* the tid that saw our signal */
	unsigned number;
};

static struct member members[NR_THREADS];
static __thread uint64_t local = 77;
static __thread struct member *self;

static void on_signal(int signal)
{
	if (self)
		self->signalled = gettid();
}

static void check_identity(const struct member *me)
{
	char name[16] = "", wanted[16];

	zoo_check(gettid() == me->tid, "thread %u: tid %d, not %d", me->number,
		  gettid(), me->tid);
	zoo_check(pthread_equal(pthread_self(), me->thread),
		  "thread %u: another pthread_self()", me->number);
	zoo_check(local == me->number && self == me,
		  "thread %u: thread-local memory holds %lu", me->number,
		  local);
	(void)snprintf(wanted, sizeof(wanted), "member %u", me->number);
	(void)pthread_getname_np(pthread_self(), name, sizeof(name));
	zoo_check(!strcmp(name, wanted), "thread %u: named '%s'", me->number,
		  name);
}

static void *live(void *arg)
{
	struct member *me = arg;
	char name[16];

	local = me->number;
	self = me;
	me->thread = pthread_self();
	(void)snprintf(name, sizeof(name), "member %u", me->number);
	(void)pthread_setname_np(pthread_self(), name);
	__atomic_store_n(&me->tid, gettid(), __ATOMIC_RELEASE);
	while (zoo_running()) {
		check_identity(me);
		zoo_sleep_ms(50);
	}
	while (!me->signalled)
		zoo_sleep_ms(2);
	check_identity(me);
	zoo_check(me->signalled == me->tid, "thread %u: its signal hit %d",
		  me->number, me->signalled);
	return (void *)(uintptr_t)(me->number + local);
}

static void start_all(void)
{
	pthread_attr_t attr;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		members[i].number = i;
		zoo_check(!pthread_create(&members[i].thread, &attr, live,
					  &members[i]),
			  "pthread_create");
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		while (!__atomic_load_n(&members[i].tid, __ATOMIC_ACQUIRE))
			zoo_sleep_ms(1);
}

static void *brief(void *arg)
{
	uint64_t seen = local;

	local = (uintptr_t)arg;
	return (void *)(uintptr_t)(seen + local);
}

static void make_later_ones(void)
{
	pthread_t threads[NR_LATER];

	for (uintptr_t i = 0; i < NR_LATER; i++)
		threads[i] = zoo_thread(brief, (void *)i);
	for (uintptr_t i = 0; i < NR_LATER; i++)
		zoo_check((uintptr_t)zoo_join(threads[i]) == 77 + i,
			  "a new thread's local memory is not as declared");
}

int main(int argc, char **argv)
{
	pid_t pid = getpid();

	zoo_start(argc, argv);
	(void)signal(SIGUSR1, on_signal);
	start_all();
	zoo_ready();
	while (zoo_running())
		zoo_sleep_ms(1);

	for (unsigned i = 0; i < NR_THREADS; i++)
		zoo_call(syscall(SYS_tgkill, pid, members[i].tid, SIGUSR1) == 0,
			 "tgkill");
	for (unsigned i = 0; i < NR_THREADS; i++)
		zoo_check((uintptr_t)zoo_join(members[i].thread) == 2 * i,
			  "thread %u came back wrong", i);
	make_later_ones();
	return zoo_end();
}
