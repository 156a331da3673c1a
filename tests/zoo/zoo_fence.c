/* SPDX-License-Identifier: MIT */
/*
 * zoo_fence.c - guard regions that are installed after the image was taken
 *
 * A C library makes them below the stacks of new threads (glibc 2.42), and
 * closes the pages where the kernel refuses.  Whatever is still to come from
 * the image must not come there, nor, once the region is removed, the bytes of
 * before.
 */
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/zoo/zoo.h"

/* Linux 6.13. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

enum {
	AREAS = 8,
	PAGES = 256,
	BYTES = PAGES * ZOO_PAGE,
	/* Pages of an area that are to fault. */
	FIRST = 30,
	END = 200,
};

struct area {
	char *memory;
	bool is_closed; /* by mprotect(2) */
};

static struct area areas[AREAS];
static sigjmp_buf after_fault;

static void on_fault(int signal)
{
	siglongjmp(after_fault, 1);
}

static bool faults(const volatile char *place)
{
	if (sigsetjmp(after_fault, 1))
		return true;
	(void)*place;
	return false;
}

static void fence(struct area *area)
{
	char *first = area->memory + FIRST * ZOO_PAGE;
	size_t bytes = (END - FIRST) * ZOO_PAGE;

	area->is_closed = madvise(first, bytes, MADV_GUARD_INSTALL) != 0;
	if (area->is_closed)
		zoo_call(mprotect(first, bytes, PROT_NONE) == 0, "mprotect");
}

static void open_up(struct area *area)
{
	char *first = area->memory + FIRST * ZOO_PAGE;
	size_t bytes = (END - FIRST) * ZOO_PAGE;

	if (!area->is_closed)
		zoo_call(madvise(first, bytes, MADV_GUARD_REMOVE) == 0,
			 "MADV_GUARD_REMOVE");
	else
		zoo_call(mprotect(first, bytes, PROT_READ | PROT_WRITE) == 0,
			 "mprotect");
}

static void check_area(struct area *area, uint64_t seed)
{
	static char expected[BYTES];

	zoo_fill(expected, BYTES, seed);
	for (int i = 0; i < PAGES; i++) {
		size_t at = (size_t)i * ZOO_PAGE;

		if (i >= FIRST && i < END)
			zoo_check(faults(area->memory + at),
				  "page %d of a guard region can be read", i);
		else
			zoo_check(!memcmp(area->memory + at, expected + at,
					  ZOO_PAGE),
				  "page %d beside a guard region is wrong", i);
	}
	open_up(area);
	for (int i = FIRST; i < END && !area->is_closed; i++)
		zoo_zero(area->memory + (size_t)i * ZOO_PAGE, ZOO_PAGE,
			 "what was a guard region");
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	(void)signal(SIGSEGV, on_fault);
	for (int i = 0; i < AREAS; i++) {
		areas[i].memory = zoo_map(BYTES);
		zoo_fill(areas[i].memory, BYTES, (uint64_t)i + 1);
	}
	zoo_ready();
	while (zoo_running())
		zoo_sleep_ms(1);
	for (int i = 0; i < AREAS; i++)
		fence(&areas[i]);
	/* What comes by itself has come by then. */
	zoo_sleep_ms(300);
	for (int i = 0; i < AREAS; i++)
		check_area(&areas[i], (uint64_t)i + 1);
	return zoo_end();
}
