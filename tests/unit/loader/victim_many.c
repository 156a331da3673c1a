/* SPDX-License-Identifier: MIT */
/* Victims of many threads and processes. */
#include "victim.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define SLICE	64u /* pages */
#define ROUNDS	150

static unsigned char *area;
static pthread_barrier_t barrier;
static volatile int stop;
static long interrupted;

/* Before the supervisor has received a call a signal may still end it; what it
 * then did is nothing. */
static int drop(void *p, size_t bytes)
{
	int r;

	while ((r = madvise(p, bytes, MADV_DONTNEED)) && errno == EINTR)
		__atomic_add_fetch(&interrupted, 1, __ATOMIC_SEQ_CST);
	return r;
}

static void *drop_slices(void *arg)
{
	uintptr_t id = (uintptr_t)arg;
	unsigned char *slice = area + id * SLICE * PAGE;
	unsigned seed = (unsigned)id * 77 + 1;
	sigset_t all;

	(void)sigfillset(&all);
	if (id & 1)
		(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		unsigned first, n;

		seed = seed * 1103515245 + 12345;
		first = (seed >> 8) % SLICE;
		n = 1 + (seed >> 20) % (SLICE - first);
		memset(slice + first * PAGE, (int)(0xc0 | id), n * PAGE);
		victim_check(
			!drop(slice + first * PAGE, n * PAGE) &&
				victim_is(slice + first * PAGE, n * PAGE, 0),
			"slice");
	}
	(void)pthread_barrier_wait(&barrier);
	return NULL;
}

static void on_signal(int signal)
{
	(void)signal;
}

static void *storm(void *arg)
{
	pthread_t *threads = arg;

	while (!stop) {
		for (int i = 0; i < THREADS; i++)
			(void)pthread_kill(threads[i], SIGUSR1);
		(void)usleep(200);
	}
	return NULL;
}

/* A thread's end drops its stack, with all signals blocked. */
static void *use_stack(void *arg)
{
	volatile char room[200000];

	memset((void *)(uintptr_t)room, 0x99, sizeof(room));
	return arg;
}

static void ends(void)
{
	for (int round = 0; round < 25; round++) {
		pthread_t threads[4];

		for (int i = 0; i < 4; i++)
			(void)pthread_create(&threads[i], NULL, use_stack,
					     NULL);
		for (int i = 0; i < 4; i++)
			(void)pthread_join(threads[i], NULL);
	}
}

/* Eight threads drop slices of one area under a storm of signals whose handler
 * does not restart calls. */
static int many_threads(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t threads[THREADS], noise;

	area = victim_pages(THREADS * SLICE, 0x55);
	(void)sigaction(SIGUSR1, &action, NULL);
	(void)pthread_barrier_init(&barrier, NULL, THREADS + 1);
	victim_checkpoint();
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, drop_slices, (void *)i))
			return 126;
	if (pthread_create(&noise, NULL, storm, threads))
		return 126;
	(void)pthread_barrier_wait(&barrier);
	stop = 1;
	(void)pthread_join(noise, NULL);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	ends();
	if (interrupted)
		(void)fprintf(stderr, "victim: %ld calls interrupted\n",
			      interrupted);
	return victim_failures() != 0;
}

#define SLOTS 1500u

static size_t next_slot;

static void *drop_fresh(void *arg)
{
	size_t i;

	while ((i = __atomic_fetch_add(&next_slot, 1, __ATOMIC_SEQ_CST)) <
	       SLOTS) {
		unsigned char *p = area + i * 8 * PAGE;

		p[0] = 7;
		victim_check(!drop(p, 4 * PAGE) && victim_is(p, 4 * PAGE, 0),
			     "fresh slot");
		victim_check(victim_is(p + 4 * PAGE, 4 * PAGE, 0x3c),
			     "its neighbour");
		(void)usleep(300);
	}
	return arg;
}

/* Two threads drop what nobody has dropped before, for a while. */
static int fresh_slots(void)
{
	pthread_t threads[2];

	area = victim_pages(SLOTS * 8, 0x3c);
	victim_checkpoint();
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, drop_fresh, NULL))
			return 126;
	for (int i = 0; i < 2; i++)
		(void)pthread_join(threads[i], NULL);
	return victim_failures() != 0;
}

#define PAGES 256u

static int generation(int depth)
{
	int wrong = 0, status = 0;
	pid_t pid;

	area[0] = (unsigned char)depth;
	if (!victim_is(area + PAGE, 7 * PAGE, 0x66))
		wrong |= 1;
	if (madvise(area + 8 * PAGE, 8 * PAGE, MADV_DONTNEED) ||
	    !victim_is(area + 8 * PAGE, 8 * PAGE, 0))
		wrong |= 2;
	if (!victim_is(area + 16 * PAGE, (PAGES - 16) * PAGE, 0x66))
		wrong |= 4;
	if (depth == 3)
		return wrong;
	pid = fork();
	if (!pid)
		_exit(generation(depth + 1));
	(void)waitpid(pid, &status, 0);
	return wrong | (WIFEXITED(status) ? WEXITSTATUS(status) : 64);
}

static int run_self(pid_t pid)
{
	int status = -1;

	if (!pid) {
		(void)execl("/proc/self/exe", "victim", "after-exec", NULL);
		_exit(99);
	}
	(void)waitpid(pid, &status, 0);
	return status;
}

static int forks(void)
{
	int status = 0;
	pid_t pid;

	area = victim_pages(PAGES, 0x66);
	victim_checkpoint();
	pid = fork();
	if (!pid)
		_exit(generation(1));
	(void)waitpid(pid, &status, 0);
	victim_check(!status, "three generations");
	victim_check(victim_is(area, PAGES * PAGE, 0x66), "they left us alone");
	victim_check(!run_self(fork()), "fork and exec");
	victim_check(!run_self(vfork()), "vfork and exec");
	(void)madvise(area, PAGES * PAGE, MADV_DONTNEED);
	victim_check(victim_is(area, PAGES * PAGE, 0), "own drop");
	return victim_failures() != 0;
}

static int after_exec(void)
{
	area = victim_pages(64, 1);
	return madvise(area, 64 * PAGE, MADV_DONTNEED) ||
	       !victim_is(area, 64 * PAGE, 0);
}

/* One thread drops at all times; the leader is killed by the other's exec. */
static void *drop_forever(void *arg)
{
	for (size_t i = 0;; i = (i + 8) % PAGES) {
		memset(area + i * PAGE, 3, 4 * PAGE);
		(void)madvise(area + i * PAGE, 4 * PAGE, MADV_DONTNEED);
	}
	return arg;
}

static void *exec_soon(void *arg)
{
	(void)usleep(20000);
	(void)execl("/proc/self/exe", "victim", "after-exec", NULL);
	return arg;
}

static int exec_amid(void)
{
	pthread_t thread;

	area = victim_pages(PAGES, 0x67);
	victim_checkpoint();
	if (pthread_create(&thread, NULL, drop_forever, NULL) ||
	    pthread_create(&thread, NULL, exec_soon, NULL))
		return 126;
	(void)drop_forever(NULL);
	return 1;
}

/* Killed while its threads are being made to call. */
static void *kill_soon(void *arg)
{
	(void)usleep(20000);
	(void)kill(getpid(), SIGKILL);
	return arg;
}

static int killed_amid(void)
{
	pthread_t thread;

	area = victim_pages(PAGES, 0x68);
	victim_checkpoint();
	if (pthread_create(&thread, NULL, drop_forever, NULL) ||
	    pthread_create(&thread, NULL, kill_soon, NULL))
		return 126;
	(void)drop_forever(NULL);
	return 1;
}

const struct victim victims_many[] = {
	{"many-threads", many_threads},
	{"fresh-slots", fresh_slots},
	{"forks", forks},
	{"after-exec", after_exec},
	{"exec-amid", exec_amid},
	{"killed-amid", killed_amid},
	{NULL},
};
