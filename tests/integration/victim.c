/* SPDX-License-Identifier: MIT */
/*
 * victim.c - four threads with known stacks and variables, to be looked at with
 * a debugger
 *
 * One of them is inside a signal handler: unwinding goes through its frame.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS	   3
#define BIG_BYTES  (64ul << 20)
#define PAGE_BYTES 4096ul

struct item {
	int id;
	double weight;
	struct item *next;
	char name[16];
};

struct item items[WORKERS];
unsigned char *big; /* 64 MiB, of which 16 pages are touched */
__thread int thread_number;
static pthread_barrier_t ready;
static volatile int is_over;

__attribute__((noinline)) static int leaf(struct item *item)
{
	volatile int secret = 4000 + item->id;
	volatile double weight = item->weight * 2;

	(void)pthread_barrier_wait(&ready);
	while (!is_over)
		(void)pause();
	return secret + (int)weight;
}

__attribute__((noinline)) static int middle(struct item *item, int depth)
{
	volatile int local = depth * 100 + item->id;

	return depth ? middle(item, depth - 1) + local : leaf(item) + local;
}

static void on_signal(int signo)
{
	volatile int inside = signo + 1000;

	(void)leaf(&items[0]);
	(void)inside;
}

static void *worker(void *arg)
{
	struct item *item = arg;

	thread_number = item->id;
	if (item == &items[0])
		(void)pthread_kill(pthread_self(), SIGUSR1);
	else
		(void)middle(item, 2);
	return NULL;
}

int main(void)
{
	pthread_t threads[WORKERS];

	thread_number = 100;
	(void)signal(SIGUSR1, on_signal);
	(void)pthread_barrier_init(&ready, NULL, WORKERS + 1);
	big = aligned_alloc(PAGE_BYTES, BIG_BYTES);
	for (size_t i = 0; big && i < 16; i++)
		memset(big + i * (BIG_BYTES / 16), 'A' + (int)i, PAGE_BYTES);
	for (int i = 0; i < WORKERS; i++) {
		items[i] = (struct item){.id = i + 1,
					 .weight = 1.5 * (i + 1),
					 .next = i ? &items[i - 1] : NULL};
		(void)snprintf(items[i].name, sizeof(items[i].name), "item %d",
			       i + 1);
		(void)pthread_create(&threads[i], NULL, worker, &items[i]);
	}
	(void)pthread_barrier_wait(&ready);
	(void)usleep(100000);
	(void)write(STDOUT_FILENO, "ready\n", 6);
	for (;;)
		(void)pause();
}
