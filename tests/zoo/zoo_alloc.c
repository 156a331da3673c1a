/* SPDX-License-Identifier: MIT */
/*
 * zoo_alloc.c - any allocator under random load, from several threads
 *
 * Run as it is for glibc and with LD_PRELOAD for others.  jemalloc takes memory
 * that it purged with MADV_DONTNEED for zero and hands it out from calloc():
 * the program that shows whether dropped pages really are zero.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/zoo/zoo.h"

enum {
	NR_THREADS = 3,
	NR_SLOTS = 500,
};

struct slot {
	void *block;
	size_t bytes;
	uint64_t seed;
};

static size_t random_bytes(uint64_t random)
{
	unsigned dice = random % 100;

	random >>= 8;
	if (dice < 60)
		return 8 + random % 2000;
	if (dice < 95)
		return 8 + random % 60000;
	return 8 + random % 1500000;
}

static void release(struct slot *slot)
{
	zoo_filled(slot->block, slot->bytes, slot->seed, "block before free");
	free(slot->block);
	slot->block = NULL;
}

static void resize(struct slot *slot, size_t bytes)
{
	size_t kept = bytes < slot->bytes ? bytes : slot->bytes;

	slot->block = realloc(slot->block, bytes);
	zoo_check(slot->block, "realloc");
	zoo_filled(slot->block, kept, slot->seed, "block after realloc");
	slot->bytes = bytes;
	zoo_fill(slot->block, bytes, slot->seed);
}

static void acquire(struct slot *slot, size_t bytes, uint64_t random)
{
	if (random % 4) {
		slot->block = calloc(1, bytes);
		zoo_check(slot->block, "calloc");
		zoo_zero(slot->block, bytes, "block from calloc");
	} else {
		slot->block = malloc(bytes);
		zoo_check(slot->block, "malloc");
	}
	slot->bytes = bytes;
	slot->seed = random;
	zoo_fill(slot->block, bytes, slot->seed);
}

static void step(struct slot *slots, uint64_t *state)
{
	struct slot *slot = &slots[zoo_random(state) % NR_SLOTS];
	uint64_t random = zoo_random(state);

	if (!slot->block)
		acquire(slot, random_bytes(random), zoo_random(state));
	else if (random >> 60 == 0)
		resize(slot, random_bytes(random));
	else
		release(slot);
}

/* Free most blocks, so that the allocator purges what they were made of. */
static void purge(struct slot *slots)
{
	for (int i = 0; i < NR_SLOTS; i++)
		if (i % 8 && slots[i].block)
			release(&slots[i]);
}

static void *live(void *arg)
{
	struct slot *slots = calloc(NR_SLOTS, sizeof(*slots));
	uint64_t state = 88172645463325252ull + (uintptr_t)arg;

	zoo_check(slots, "calloc");
	for (int i = 0; i < 4 * NR_SLOTS; i++)
		step(slots, &state);
	zoo_ready();
	while (zoo_running())
		for (int i = 0; i < 50; i++)
			step(slots, &state);
	for (int round = 0; round < 4; round++) {
		purge(slots);
		for (int i = 0; i < 4 * NR_SLOTS; i++)
			step(slots, &state);
	}
	for (int i = 0; i < NR_SLOTS; i++)
		if (slots[i].block)
			release(&slots[i]);
	free(slots);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[NR_THREADS];

	zoo_start(argc, argv);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		threads[i] = zoo_thread(live, (void *)i);
	for (int i = 0; i < NR_THREADS; i++)
		(void)zoo_join(threads[i]);
	return zoo_end();
}
