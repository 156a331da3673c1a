/* SPDX-License-Identifier: MIT */
#include "fs/follow.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/taskstat.h"

/* Of two threads that fault at once four looks in a row rarely see one only. */
#define READS_A_LOOK  16u
#define LOOKS_AGREED  4u
#define READS_SETTLED 64u /* a look, while threads are bound */
#define THREADS_MAX   64u
#define CPU_ANY	      (-1)

struct follow {
	cpu_set_t all;	      /* where the process may run */
	atomic_uint nr_left;  /* reads until the next look */
	atomic_int bound_to;  /* CPU_ANY: to none */
	pthread_key_t key;    /* of a thread that is in tids: ourselves */
	pthread_mutex_t lock; /* of all below */
	pid_t tids[THREADS_MAX];
	unsigned nr_tids;
	int last_cpu;
	unsigned nr_agreed;
};

/* A thread ends: its number may soon be another process's. */
static void leave(void *arg)
{
	struct follow *follow = arg;
	pid_t tid = gettid();

	(void)pthread_mutex_lock(&follow->lock);
	for (unsigned i = 0; i < follow->nr_tids; i++)
		if (follow->tids[i] == tid) {
			follow->tids[i] = follow->tids[--follow->nr_tids];
			break;
		}
	(void)pthread_mutex_unlock(&follow->lock);
}

struct follow *follow_new(void)
{
	struct follow *follow = calloc(1, sizeof(*follow));

	if (!follow)
		return NULL;
	if (sched_getaffinity(0, sizeof(follow->all), &follow->all) ||
	    CPU_COUNT(&follow->all) < 2 ||
	    pthread_key_create(&follow->key, leave)) {
		free(follow);
		return NULL;
	}
	follow->bound_to = follow->last_cpu = CPU_ANY;
	follow->nr_left = 1;
	(void)pthread_mutex_init(&follow->lock, NULL);
	return follow;
}

void follow_free(struct follow *follow)
{
	if (!follow)
		return;
	(void)pthread_key_delete(follow->key);
	(void)pthread_mutex_destroy(&follow->lock);
	free(follow);
}

static void bind_thread(const struct follow *follow, pid_t tid, int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	if (cpu != CPU_ANY)
		CPU_SET(cpu, &one);
	(void)sched_setaffinity(tid, sizeof(one),
				cpu == CPU_ANY ? &follow->all : &one);
}

/* A look has found @cpu. */
static void judge(struct follow *follow, int cpu)
{
	int to = follow->bound_to;

	if (cpu != follow->last_cpu)
		follow->nr_agreed = 0;
	follow->last_cpu = cpu;
	if (cpu == CPU_ANY || !CPU_ISSET(cpu, &follow->all))
		to = CPU_ANY;
	else if (++follow->nr_agreed >= LOOKS_AGREED)
		to = cpu;
	else if (cpu != to)
		to = CPU_ANY;
	if (to == follow->bound_to)
		return;
	follow->bound_to = to;
	for (unsigned i = 0; i < follow->nr_tids; i++)
		bind_thread(follow, follow->tids[i], to);
}

static void enlist(struct follow *follow)
{
	(void)pthread_mutex_lock(&follow->lock);
	if (follow->nr_tids < THREADS_MAX &&
	    !pthread_setspecific(follow->key, follow)) {
		follow->tids[follow->nr_tids++] = gettid();
		bind_thread(follow, 0, follow->bound_to);
	}
	(void)pthread_mutex_unlock(&follow->lock);
}

void follow_read(struct follow *follow, pid_t tid)
{
	struct taskstat stat;
	int cpu;

	if (!pthread_getspecific(follow->key))
		enlist(follow);
	if (atomic_fetch_sub_explicit(&follow->nr_left, 1,
				      memory_order_relaxed) != 1)
		return;
	cpu = tid && !taskstat_read(tid, &stat) ? stat.cpu : CPU_ANY;
	(void)pthread_mutex_lock(&follow->lock);
	judge(follow, cpu);
	follow->nr_left =
		follow->bound_to == CPU_ANY ? READS_A_LOOK : READS_SETTLED;
	(void)pthread_mutex_unlock(&follow->lock);
}
