/* SPDX-License-Identifier: MIT */
/*
 * zoo_brk.c - the break goes down and up again, and new memory is zero
 *
 * Nothing here may use malloc() after the first sbrk(): the heap is ours.
 */
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	KEPT = 256 * ZOO_PAGE,
	SCRATCH = 64 * ZOO_PAGE,
};

static void set_brk(char *end)
{
	zoo_call(brk(end) == 0, "brk");
	zoo_check(sbrk(0) == end, "the break is at %p, not %p", sbrk(0),
		  (void *)end);
}

static void churn(char *base)
{
	set_brk(base + KEPT + SCRATCH);
	zoo_zero(base + KEPT, SCRATCH, "scratch above the kept heap");
	zoo_fill(base + KEPT, SCRATCH, 2);
	set_brk(base + KEPT);
}

int main(int argc, char **argv)
{
	char *base = sbrk(0);

	zoo_start(argc, argv);
	base += -(uintptr_t)base % ZOO_PAGE;
	set_brk(base + KEPT);
	zoo_fill(base, KEPT, 1);
	zoo_ready();
	while (zoo_running())
		churn(base);

	zoo_filled(base, KEPT, 1, "heap");
	set_brk(base + KEPT / 2);
	set_brk(base + 2 * KEPT);
	zoo_filled(base, KEPT / 2, 1, "lower half of the heap");
	zoo_zero(base + KEPT / 2, 3 * KEPT / 2, "regrown heap");
	set_brk(base);
	set_brk(base + KEPT);
	zoo_zero(base, KEPT, "heap shrunk to nothing and regrown");
	return zoo_end();
}
