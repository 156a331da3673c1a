/* SPDX-License-Identifier: MIT */
/*
 * zoo_drop.c - madvise() does to memory from before the image what it always
 * did
 *
 * Dropped pages read as zeros, neighbours keep theirs, and every odd case gives
 * the errno of plain anonymous memory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/zoo/zoo.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

enum {
	UNIT = 8, /* pages of one case */
	NR_UNITS = 16,
	UNIT_BYTES = UNIT * ZOO_PAGE,
};

static char *area;

static char *unit(unsigned i)
{
	return area + i * UNIT_BYTES;
}

static void unit_filled(unsigned i)
{
	zoo_filled(unit(i), UNIT_BYTES, i, "untouched neighbour");
}

static void drops_to_zero(void)
{
	unit(0)[5] = 1; /* one page written after the image, the others not */
	zoo_call(madvise(unit(0), UNIT_BYTES, MADV_DONTNEED) == 0, "madvise");
	zoo_zero(unit(0), UNIT_BYTES, "dropped pages");
	zoo_fill(unit(0), UNIT_BYTES, 50);
	zoo_filled(unit(0), UNIT_BYTES, 50, "pages written after the drop");
	zoo_call(madvise(unit(0), UNIT_BYTES, MADV_DONTNEED) == 0, "madvise");
	zoo_zero(unit(0), UNIT_BYTES, "pages dropped twice");
	unit_filled(1);
}

static void length_is_rounded_up(void)
{
	zoo_call(madvise(unit(2), 0, MADV_DONTNEED) == 0, "length 0");
	unit_filled(2);
	zoo_call(madvise(unit(2), 1, MADV_DONTNEED) == 0, "length 1");
	zoo_zero(unit(2), ZOO_PAGE, "page dropped by one byte");
	zoo_check(unit(2)[ZOO_PAGE] || unit(2)[ZOO_PAGE + 1],
		  "one byte dropped two pages");
	zoo_check(madvise(unit(2) + 1, ZOO_PAGE, MADV_DONTNEED) == -1 &&
			  errno == EINVAL,
		  "an unaligned address was taken");
}

static void locked_is_refused(void)
{
	zoo_call(mlock(unit(3), UNIT_BYTES / 2) == 0, "mlock");
	zoo_check(madvise(unit(3), UNIT_BYTES, MADV_DONTNEED) == -1 &&
			  errno == EINVAL,
		  "locked memory was dropped");
	zoo_filled(unit(3), UNIT_BYTES / 2, 3, "locked pages");
	zoo_call(munlock(unit(3), UNIT_BYTES / 2) == 0, "munlock");
	zoo_call(madvise(unit(3), UNIT_BYTES, MADV_DONTNEED) == 0, "madvise");
	zoo_zero(unit(3), UNIT_BYTES, "dropped after munlock");
}

static void hole_is_reported(void)
{
	zoo_call(munmap(unit(4) + 3 * ZOO_PAGE, ZOO_PAGE) == 0, "munmap");
	zoo_check(madvise(unit(4), UNIT_BYTES, MADV_DONTNEED) == -1 &&
			  errno == ENOMEM,
		  "a hole was not reported");
	zoo_zero(unit(4), 3 * ZOO_PAGE, "below the hole");
	zoo_zero(unit(4) + 4 * ZOO_PAGE, 4 * ZOO_PAGE, "above the hole");
}

/* "r--p" of the map that holds @place. */
static void protection(const void *place, char ret[5])
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];

	zoo_call(maps, "/proc/self/maps");
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %4s", &start, &end, ret) == 3 &&
		    (uintptr_t)place >= start && (uintptr_t)place < end)
			break;
	(void)fclose(maps);
}

static void protection_is_kept(void)
{
	char *page = unit(5) + 2 * ZOO_PAGE;
	char prot[5] = "";

	zoo_call(mprotect(page, ZOO_PAGE, PROT_READ) == 0, "mprotect");
	zoo_call(mprotect(page + ZOO_PAGE, ZOO_PAGE, PROT_NONE) == 0,
		 "mprotect");
	zoo_call(madvise(unit(5), UNIT_BYTES, MADV_DONTNEED) == 0, "madvise");
	protection(page, prot);
	zoo_check(!strcmp(prot, "r--p"), "a read-only page became %s", prot);
	protection(page + ZOO_PAGE, prot);
	zoo_check(!strcmp(prot, "---p"), "a closed page became %s", prot);
	zoo_call(mprotect(unit(5), UNIT_BYTES, PROT_READ | PROT_WRITE) == 0,
		 "mprotect");
	zoo_zero(unit(5), UNIT_BYTES, "pages of all protections");
	memset(unit(5), 1, UNIT_BYTES);
}

static void other_advice(void)
{
	int result = madvise(unit(6), UNIT_BYTES, MADV_DONTNEED_LOCKED);

	if (result == 0)
		zoo_zero(unit(6), UNIT_BYTES, "MADV_DONTNEED_LOCKED");
	else
		zoo_check(errno == EINVAL, "MADV_DONTNEED_LOCKED: %s",
			  zoo_errno_words());
	/* A freed page is as it was or zero, until it is written again. */
	result = madvise(unit(7), UNIT_BYTES, MADV_FREE);
	zoo_check(result == 0 || errno == EINVAL, "MADV_FREE: %s",
		  zoo_errno_words());
	zoo_fill(unit(7), UNIT_BYTES, 70);
	zoo_filled(unit(7), UNIT_BYTES, 70, "written after MADV_FREE");
	zoo_call(madvise(unit(8), UNIT_BYTES, MADV_WILLNEED) == 0 ||
			 errno == EBADF,
		 "MADV_WILLNEED");
	zoo_call(madvise(unit(8), UNIT_BYTES, MADV_COLD) == 0, "MADV_COLD");
	unit_filled(8);
}

static void unmapped_is_fresh(void)
{
	char *place = unit(9);

	zoo_call(munmap(place, UNIT_BYTES) == 0, "munmap");
	zoo_call(mmap(place, UNIT_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == place,
		 "mmap");
	zoo_zero(place, UNIT_BYTES, "mapped again");
	unit_filled(10);
}

static void churn(uint64_t *random)
{
	unsigned i = 12 + zoo_random(random) % 4;

	zoo_filled(unit(i), UNIT_BYTES, i, "churned unit");
	zoo_call(madvise(unit(i), UNIT_BYTES, MADV_DONTNEED) == 0, "madvise");
	zoo_zero(unit(i), UNIT_BYTES, "churned unit");
	zoo_fill(unit(i), UNIT_BYTES, i);
	unit_filled(11);
}

int main(int argc, char **argv)
{
	uint64_t random = 99;

	zoo_start(argc, argv);
	area = zoo_map(NR_UNITS * UNIT_BYTES);
	for (unsigned i = 0; i < NR_UNITS; i++)
		zoo_fill(unit(i), UNIT_BYTES, i);
	zoo_ready();
	while (zoo_running())
		churn(&random);
	drops_to_zero();
	length_is_rounded_up();
	locked_is_refused();
	hole_is_reported();
	protection_is_kept();
	other_advice();
	unmapped_is_fresh();
	return zoo_end();
}
