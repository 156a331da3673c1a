/* SPDX-License-Identifier: MIT */
/*
 * zoo_protect.c - closed pages keep their bytes, and written code stays
 * runnable
 */
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/zoo/zoo.h"

enum {
	BYTES = 32 * ZOO_PAGE,
};

static char *closed, *read_only, *flipping, *code;
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
	return zoo_end();
}
