/* SPDX-License-Identifier: MIT */
/*
 * zoo_sparse.c - five GiB of address space with a few pages in it
 *
 * Every hole reads as zeros and every page as written, wherever one looks.
 */
#include <sys/mman.h>

#include "tests/zoo/zoo.h"

#define AREA_BYTES (5ul << 30)
#define NR_PAGES   (AREA_BYTES / ZOO_PAGE)

enum {
	NR_WRITTEN = 600,
	NR_LOOKED_AT = 2000,
};

static char *area;

/* The i-th written page: spread over the area, odd pages only, none twice. */
static uint64_t written_page(unsigned i)
{
	return i * (NR_PAGES / NR_WRITTEN) + (i * 37) % 1000 * 2 + 1;
}

static void check_written(unsigned i)
{
	zoo_filled(area + written_page(i) * ZOO_PAGE, ZOO_PAGE, i,
		   "written page");
}

/* Even pages were never written. */
static void check_hole(uint64_t random)
{
	zoo_zero(area + random % NR_PAGES / 2 * 2 * ZOO_PAGE, ZOO_PAGE,
		 "hole of the sparse area");
}

int main(int argc, char **argv)
{
	uint64_t random = 4711;

	zoo_start(argc, argv);
	area = mmap(NULL, AREA_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	zoo_call(area != MAP_FAILED, "mmap of 5 GiB");
	for (unsigned i = 0; i < NR_WRITTEN; i++)
		zoo_fill(area + written_page(i) * ZOO_PAGE, ZOO_PAGE, i);
	zoo_ready();
	while (zoo_running()) {
		check_written(zoo_random(&random) % NR_WRITTEN);
		check_hole(zoo_random(&random));
		zoo_sleep_ms(1);
	}
	for (unsigned i = 0; i < NR_WRITTEN; i++)
		check_written(i);
	for (unsigned i = 0; i < NR_LOOKED_AT; i++)
		check_hole(zoo_random(&random));
	zoo_fill(area + AREA_BYTES - ZOO_PAGE, ZOO_PAGE, 1);
	zoo_filled(area + AREA_BYTES - ZOO_PAGE, ZOO_PAGE, 1, "last page");
	return zoo_end();
}
