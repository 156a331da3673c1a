/* SPDX-License-Identifier: MIT */
/* Victims that are allocators: calloc() must give zeros. */
#include "victim.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS 400
#define SLOTS  600

static void fill(unsigned char **blocks, size_t bytes)
{
	for (size_t i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(bytes);
		memset(blocks[i], 0xaa, bytes);
	}
}

static void again(unsigned char **blocks, size_t bytes, const char *what)
{
	for (size_t i = BLOCKS; i--;)
		free(blocks[i]);
	for (size_t i = 0; i < BLOCKS; i++) {
		blocks[i] = calloc(1, bytes);
		victim_check(victim_is(blocks[i], bytes, 0), what);
	}
}

/* A second arena is trimmed with madvise, the first with brk. */
static void *use_arena(void *arg)
{
	static unsigned char *blocks[BLOCKS];
	const size_t bytes = 60000;

	(void)arg;
	fill(blocks, bytes);
	victim_checkpoint();
	for (size_t i = 0; i < BLOCKS; i++)
		victim_check(victim_is(blocks[i], bytes, 0xaa), "content");
	again(blocks, bytes, "calloc after heap trim");
	for (size_t i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	(void)malloc_trim(0);
	fill(blocks, bytes);
	again(blocks, bytes, "calloc after malloc_trim");
	return NULL;
}

static int arena(void)
{
	static unsigned char *blocks[BLOCKS];
	pthread_t thread;

	(void)mallopt(M_ARENA_MAX, 4);
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
	(void)mallopt(M_TRIM_THRESHOLD, 65536);
	fill(blocks, 50000);
	if (pthread_create(&thread, NULL, use_arena, NULL))
		return 126;
	(void)pthread_join(thread, NULL);
	again(blocks, 50000, "main arena");
	return victim_failures() != 0;
}

/* ---- two threads that allocate at random and check each block ---- */

struct slot {
	unsigned char *p;
	size_t bytes;
	unsigned char byte;
};

static pthread_barrier_t barrier;

static uint64_t step(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static size_t some_bytes(uint64_t x)
{
	size_t kind = (x >> 20) % 100;

	if (kind < 60)
		return (x >> 32) % 2000 + 1;
	return kind < 95 ? (x >> 32) % 60000 + 1 : (x >> 32) % 1500000 + 1;
}

static void fill_slot(struct slot *slot, uint64_t x)
{
	slot->bytes = some_bytes(x);
	slot->byte = (unsigned char)(x >> 40) | 1;
	if (x & 7) {
		slot->p = calloc(1, slot->bytes);
		victim_check(victim_is(slot->p, slot->bytes, 0), "calloc");
	} else {
		slot->p = malloc(slot->bytes);
	}
	memset(slot->p, slot->byte, slot->bytes);
}

static void empty_slot(struct slot *slot)
{
	victim_check(victim_is(slot->p, slot->bytes, slot->byte), "content");
	free(slot->p);
	slot->p = NULL;
}

static void turn(struct slot *slots, uint64_t *seed, double seconds)
{
	struct timespec start, now;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (int i = 0; i < 256 && victim_failures() < 10; i++) {
			uint64_t x = step(seed);
			struct slot *slot = &slots[(x >> 8) % SLOTS];

			if (slot->p)
				empty_slot(slot);
			else
				fill_slot(slot, x);
		}
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while (victim_failures() < 10 &&
		 (double)(now.tv_sec - start.tv_sec) +
				 (double)(now.tv_nsec - start.tv_nsec) / 1e9 <
			 seconds);
}

static void *allocate(void *arg)
{
	uint64_t seed = 88172645463325252ull ^ ((uintptr_t)arg * 7919);
	struct slot *slots = calloc(SLOTS, sizeof(*slots));

	turn(slots, &seed, 0.3);
	(void)pthread_barrier_wait(&barrier);
	if (!arg)
		victim_checkpoint();
	(void)pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < SLOTS; i++)
		if (slots[i].p && i % 8)
			empty_slot(&slots[i]);
	turn(slots, &seed, 1);
	return NULL;
}

static int alloc_fuzz(void)
{
	pthread_t threads[2];

	(void)pthread_barrier_init(&barrier, NULL, 2);
	for (uintptr_t i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, allocate, (void *)i))
			return 126;
	for (int i = 0; i < 2; i++)
		(void)pthread_join(threads[i], NULL);
	return victim_failures() != 0;
}

const struct victim victims_alloc[] = {
	{"arena", arena},
	{"alloc-fuzz", alloc_fuzz},
	{NULL},
};
