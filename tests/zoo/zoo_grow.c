/* SPDX-License-Identifier: MIT */
/*
 * zoo_grow.c - realloc and mremap grow into zeros and keep what was there
 *
 * The blocks that grow were filled before the image: a map of a file would grow
 * into the file's next bytes, or past its end (SIGBUS).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/zoo/zoo.h"

enum {
	MIB = 1 << 20,
	SMALL = 64 * ZOO_PAGE,
};

static void realloc_grows(char *block)
{
	for (size_t bytes = 2 * MIB; bytes <= 64 * MIB; bytes *= 2) {
		block = realloc(block, bytes);
		zoo_check(block, "realloc to %zu bytes", bytes);
		zoo_filled(block, bytes / 2, 1, "grown block");
		zoo_fill(block, bytes, 1);
	}
	block = realloc(block, 3 * MIB);
	block = realloc(block, 9 * MIB);
	zoo_check(block, "realloc");
	zoo_filled(block, 3 * MIB, 1, "block after shrink and growth");
	free(block);
}

static void shrink_then_grow(char *block)
{
	block = mremap(block, SMALL, SMALL / 2, 0);
	zoo_call(block != MAP_FAILED, "mremap to half");
	block = mremap(block, SMALL / 2, SMALL, MREMAP_MAYMOVE);
	zoo_call(block != MAP_FAILED, "mremap back to whole");
	zoo_filled(block, SMALL / 2, 2, "kept half");
	zoo_zero(block + SMALL / 2, SMALL / 2, "regrown half");
	munmap(block, SMALL);
}

static void grow_twice(char *block)
{
	block = mremap(block, SMALL, 2 * SMALL, MREMAP_MAYMOVE);
	zoo_call(block != MAP_FAILED, "first growth");
	zoo_filled(block, SMALL, 3, "block grown once");
	zoo_zero(block + SMALL, SMALL, "first growth");
	zoo_fill(block, 2 * SMALL, 3);
	block = mremap(block, 2 * SMALL, 8 * SMALL, MREMAP_MAYMOVE);
	zoo_call(block != MAP_FAILED, "second growth");
	zoo_filled(block, 2 * SMALL, 3, "block grown twice");
	zoo_zero(block + 2 * SMALL, 6 * SMALL, "second growth");
	munmap(block, 8 * SMALL);
}

static void grow_to_fixed(char *block)
{
	char *place = mmap(NULL, 2 * SMALL, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	zoo_call(place != MAP_FAILED, "mmap");
	block = mremap(block, SMALL, 2 * SMALL, MREMAP_MAYMOVE | MREMAP_FIXED,
		       place);
	zoo_call(block == place, "mremap to a fixed place");
	zoo_filled(block, SMALL, 4, "moved part");
	zoo_zero(block + SMALL, SMALL, "grown part");
	zoo_call(madvise(block, SMALL, MADV_DONTNEED) == 0, "madvise");
	zoo_zero(block, SMALL, "moved, then dropped");
	munmap(block, 2 * SMALL);
}

/* MREMAP_DONTUNMAP leaves the old range mapped and empty. */
static void move_and_stay(char *block)
{
	char *moved = mremap(block, SMALL, SMALL,
			     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	zoo_call(moved != MAP_FAILED, "mremap with MREMAP_DONTUNMAP");
	zoo_filled(moved, SMALL, 5, "moved range");
	zoo_zero(block, SMALL, "range left behind");
	munmap(block, SMALL);
	munmap(moved, SMALL);
}

static char *filled_map(uint64_t seed)
{
	char *block = zoo_map(SMALL);

	zoo_fill(block, SMALL, seed);
	/* A page nobody can use keeps neighbours from merging. */
	zoo_call(mmap(NULL, ZOO_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0) != MAP_FAILED,
		 "mmap");
	return block;
}

static void churn(void)
{
	char *block = malloc(MIB);

	zoo_fill(block, MIB, 9);
	block = realloc(block, 8 * MIB);
	zoo_check(block, "realloc");
	zoo_filled(block, MIB, 9, "scratch block");
	free(block);
}

int main(int argc, char **argv)
{
	char *block, *maps[6];

	zoo_start(argc, argv);
	block = malloc(MIB);
	zoo_fill(block, MIB, 1);
	for (int i = 2; i <= 5; i++)
		maps[i] = filled_map(i);
	zoo_ready();
	while (zoo_running())
		churn();
	realloc_grows(block);
	shrink_then_grow(maps[2]);
	grow_twice(maps[3]);
	grow_to_fixed(maps[4]);
	move_and_stay(maps[5]);
	return zoo_end();
}
