/* SPDX-License-Identifier: MIT */
/*
 * zoo_arena.c - glibc's heaps give memory back and take it again as zeros
 *
 * Freeing from the top makes a thread's arena drop pages (heap_trim) and the
 * main arena lower the break; calloc() then hands out the same addresses and
 * must find zeros there, not what the blocks held when the image was taken.
 */
#include <malloc.h>
#include <stdlib.h>

#include "tests/zoo/zoo.h"

enum {
	NR_BLOCKS = 200,
	BLOCK_BYTES = 100000,
};

static void churn(void **blocks, uint64_t *random)
{
	unsigned i = zoo_random(random) % NR_BLOCKS;

	zoo_filled(blocks[i], BLOCK_BYTES, i, "block before free");
	free(blocks[i]);
	blocks[i] = malloc(BLOCK_BYTES);
	zoo_fill(blocks[i], BLOCK_BYTES, i);
}

static void refill_with_zeros(void **blocks, const char *what)
{
	for (int i = NR_BLOCKS - 1; i >= 0; i--)
		free(blocks[i]);
	(void)malloc_trim(0);
	for (int i = 0; i < NR_BLOCKS; i++) {
		blocks[i] = calloc(1, BLOCK_BYTES);
		zoo_zero(blocks[i], BLOCK_BYTES, what);
		zoo_fill(blocks[i], BLOCK_BYTES, i);
	}
}

static void *live(void *what)
{
	void *blocks[NR_BLOCKS];
	uint64_t random = (uintptr_t)blocks | 1;

	for (int i = 0; i < NR_BLOCKS; i++) {
		blocks[i] = malloc(BLOCK_BYTES);
		zoo_fill(blocks[i], BLOCK_BYTES, i);
	}
	zoo_ready();
	while (zoo_running())
		churn(blocks, &random);
	for (int i = 0; i < NR_BLOCKS; i++)
		zoo_filled(blocks[i], BLOCK_BYTES, i, what);
	for (int round = 0; round < 3; round++)
		refill_with_zeros(blocks, what);
	for (int i = 0; i < NR_BLOCKS; i++)
		free(blocks[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t second;

	zoo_start(argc, argv);
	(void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 64 << 10);
	second = zoo_thread(live, "second arena");
	(void)live("main arena");
	(void)zoo_join(second);
	return zoo_end();
}
