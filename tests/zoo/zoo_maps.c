/* SPDX-License-Identifier: MIT */
/*
 * zoo_maps.c - ten thousand maps, each with a page of its own
 *
 * Neighbours differ in protection, so the kernel cannot merge them.
 */
#include <sys/mman.h>

#include "tests/zoo/zoo.h"

enum {
	NR_MAPS = 10000,
	WORDS = ZOO_PAGE / sizeof(uint64_t),
};

static uint64_t word_of(size_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ull;
}

static void check_page(const uint64_t *pages, size_t i)
{
	const uint64_t *page = pages + i * WORDS;

	zoo_check(page[0] == word_of(i) && page[WORDS - 1] == ~word_of(i),
		  "map %zu holds %#lx and %#lx", i, page[0], page[WORDS - 1]);
}

static void fill(uint64_t *pages)
{
	for (size_t i = 0; i < NR_MAPS; i++) {
		pages[i * WORDS] = word_of(i);
		pages[i * WORDS + WORDS - 1] = ~word_of(i);
	}
	for (size_t i = 0; i < NR_MAPS; i += 2)
		zoo_call(mprotect(pages + i * WORDS, ZOO_PAGE, PROT_READ) == 0,
			 "mprotect");
}

int main(int argc, char **argv)
{
	uint64_t *pages, random = 42;

	zoo_start(argc, argv);
	pages = zoo_map(NR_MAPS * ZOO_PAGE);
	fill(pages);
	zoo_ready();
	while (zoo_running())
		check_page(pages, zoo_random(&random) % NR_MAPS);

	for (size_t i = 0; i < NR_MAPS; i++)
		check_page(pages, i);
	zoo_call(mprotect(pages, NR_MAPS * ZOO_PAGE, PROT_READ | PROT_WRITE) ==
			 0,
		 "mprotect of all");
	for (size_t i = 0; i < NR_MAPS; i++)
		pages[i * WORDS + 1] = i;
	for (size_t i = 0; i < NR_MAPS; i++)
		check_page(pages, i);
	zoo_call(madvise(pages, NR_MAPS * ZOO_PAGE, MADV_DONTNEED) == 0,
		 "madvise over all maps");
	zoo_zero(pages, NR_MAPS * ZOO_PAGE, "ten thousand dropped maps");
	return zoo_end();
}
