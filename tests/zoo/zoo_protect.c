/* SPDX-License-Identifier: MIT */
/*
 * zoo_protect.c - closed pages keep their bytes, written code stays runnable,
 * and guard regions fault until they are removed
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

/* Linux 6.13; of file maps 6.15. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

enum {
	BYTES = 32 * ZOO_PAGE,
	/* Pages of an area: one alone, and two at its end. */
	GUARD = 5,
	GUARDS_AT = 30,
};

static char *closed, *read_only, *flipping, *code, *guarded, *file_guarded;
static bool has_guards;
static sigjmp_buf after_fault;

/* mov $VALUE, %eax; ret */
static void write_code(uint32_t value)
{
	static const char ret = (char)0xc3;

	code[0] = (char)0xb8;
	memcpy(code + 1, &value, sizeof(value));
	code[5] = ret;
}

static void on_fault(int signal)
{
	siglongjmp(after_fault, 1);
}

static bool faults(volatile char *place, bool write)
{
	if (sigsetjmp(after_fault, 1))
		return true;
	if (write)
		*place = 1;
	else
		(void)*place;
	return false;
}

static void protect(char *area, int protection)
{
	zoo_call(mprotect(area, BYTES, protection) == 0, "mprotect");
}

static void flip(void)
{
	protect(flipping, PROT_NONE);
	protect(flipping, PROT_READ);
	zoo_filled(flipping, BYTES, 3, "area closed and opened");
}

static char *map_file(void)
{
	char name[300];
	char *area = zoo_map(BYTES);
	int fd;

	(void)snprintf(name, sizeof(name), "%s/guarded", zoo_dir());
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	zoo_fill(area, BYTES, 5);
	zoo_call(fd >= 0 && write(fd, area, BYTES) == BYTES, "writing a file");
	area = mmap(area, BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_FIXED, fd, 0);
	zoo_call(area != MAP_FAILED, "mapping a file");
	(void)close(fd);
	return area;
}

static bool guards(char *area, int advice)
{
	return !madvise(area + GUARD * ZOO_PAGE, ZOO_PAGE, advice) &&
	       !madvise(area + GUARDS_AT * ZOO_PAGE, 2 * ZOO_PAGE, advice);
}

static void install_guards(void)
{
	guarded = zoo_map(BYTES);
	file_guarded = map_file();
	zoo_fill(guarded, BYTES, 4);
	has_guards = guards(file_guarded, MADV_GUARD_INSTALL);
	if (has_guards)
		zoo_call(guards(guarded, MADV_GUARD_INSTALL), "guard regions");
}

/* All of @area but its guard regions, which fault if they are there. */
static void check_guarded(char *area, uint64_t seed)
{
	char expected[BYTES];

	zoo_fill(expected, BYTES, seed);
	for (int i = 0; i < BYTES / (int)ZOO_PAGE; i++) {
		bool is_guard = i == GUARD || i >= GUARDS_AT;
		size_t at = (size_t)i * ZOO_PAGE;

		if (has_guards && is_guard)
			zoo_check(faults(area + at, false),
				  "page %d of a guard region can be read", i);
		else
			zoo_check(!memcmp(area + at, expected + at, ZOO_PAGE),
				  "page %d beside guard regions is wrong", i);
	}
}

static void check_guards(void)
{
	check_guarded(guarded, 4);
	check_guarded(file_guarded, 5);
	if (!has_guards)
		return;
	/* Pages that are dropped around one leave it where it is. */
	zoo_call(madvise(guarded, BYTES, MADV_DONTNEED) == 0, "MADV_DONTNEED");
	zoo_check(faults(guarded + GUARD * ZOO_PAGE, true),
		  "a guard region is gone with the pages around it");
	zoo_call(guards(guarded, MADV_GUARD_REMOVE), "MADV_GUARD_REMOVE");
	zoo_zero(guarded, BYTES, "what was a guard region");
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	(void)signal(SIGSEGV, on_fault);
	closed = zoo_map(BYTES);
	read_only = zoo_map(BYTES);
	flipping = zoo_map(BYTES);
	code = zoo_map(BYTES);
	zoo_fill(closed, BYTES, 1);
	zoo_fill(read_only, BYTES, 2);
	zoo_fill(flipping, BYTES, 3);
	write_code(4242);
	install_guards();
	protect(closed, PROT_NONE);
	protect(read_only, PROT_READ);
	protect(code, PROT_READ | PROT_EXEC);
	zoo_ready();
	while (zoo_running())
		flip();

	zoo_check(((int (*)(void))code)() == 4242, "written code changed");
	zoo_check(faults(closed, false), "a closed page can be read");
	zoo_check(faults(read_only, true), "a read-only page can be written");
	protect(closed, PROT_READ | PROT_WRITE);
	zoo_filled(closed, BYTES, 1, "closed pages");
	zoo_filled(read_only, BYTES, 2, "read-only pages");
	protect(code, PROT_READ | PROT_WRITE);
	write_code(4343);
	protect(code, PROT_READ | PROT_EXEC);
	zoo_check(((int (*)(void))code)() == 4343, "new code does not run");
	check_guards();
	return zoo_end();
}
