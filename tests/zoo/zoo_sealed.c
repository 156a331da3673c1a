/* SPDX-License-Identifier: MIT */
/*
 * zoo_sealed.c - memfds whose content or size may change no more
 *
 * Who is handed one looks at its seals and then maps it without a copy; and one
 * that was made to be sealed can be, when its maker has written it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x8
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

enum {
	BYTES = 3 * ZOO_PAGE,
	SIZE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW,
	ALL_SEALS = SIZE_SEALS | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE,
};

static int constant, constant_again, sealable, plain, mapped, still_mapped,
	shown, no_program, program;
static char *memory, *still, *view, *data;

static int make(const char *name, unsigned flags)
{
	char *bytes = zoo_map(BYTES);
	int fd = memfd_create(name, MFD_CLOEXEC | flags);

	zoo_fill(bytes, BYTES, 1);
	zoo_call(fd >= 0 && write(fd, bytes, BYTES) == BYTES, "memfd_create");
	zoo_call(munmap(bytes, BYTES) == 0, "munmap");
	return fd;
}

static void seal(int fd, int seals)
{
	zoo_call(fcntl(fd, F_ADD_SEALS, seals) == 0, "F_ADD_SEALS");
}

static char *map(int fd, int prot)
{
	char *at = mmap(NULL, BYTES, prot, MAP_SHARED, fd, 0);

	zoo_call(at != MAP_FAILED, "mmap of a memfd");
	return at;
}

static void make_all(void)
{
	constant = make("constant", MFD_ALLOW_SEALING);
	seal(constant, SIZE_SEALS | F_SEAL_WRITE | F_SEAL_SEAL);
	constant_again = open("/proc/self/fd/3", O_RDONLY | O_CLOEXEC);
	zoo_call(constant == 3 && constant_again >= 0, "open of a memfd");
	sealable = make("sealable", MFD_ALLOW_SEALING);
	plain = make("plain", 0);
	mapped = make("mapped", MFD_ALLOW_SEALING);
	memory = map(mapped, PROT_READ | PROT_WRITE);
	seal(mapped, SIZE_SEALS);
	still_mapped = make("still mapped", MFD_ALLOW_SEALING);
	still = map(still_mapped, PROT_READ | PROT_WRITE);
	seal(still_mapped, F_SEAL_FUTURE_WRITE | F_SEAL_GROW);
	shown = make("shown", MFD_ALLOW_SEALING);
	seal(shown, SIZE_SEALS | F_SEAL_WRITE);
	view = map(shown, PROT_READ);
	no_program = make("no program", MFD_NOEXEC_SEAL);
	data = map(no_program, PROT_READ | PROT_WRITE);
	/* What may be executed cannot be written any more, either. */
	program = make("program", MFD_ALLOW_SEALING);
	zoo_call(fchmod(program, 0700) == 0, "fchmod");
	seal(program, F_SEAL_EXEC);
	(void)map(program, PROT_READ);
}

static void expect(int fd, int seals, const char *what)
{
	int got = fcntl(fd, F_GET_SEALS);

	zoo_check(got == seals, "%s has seals %#x", what, (unsigned)got);
}

static void expect_mode(int fd, unsigned mode, const char *what)
{
	struct stat is;

	zoo_call(fstat(fd, &is) == 0, "fstat");
	zoo_check((is.st_mode & 07777) == mode, "%s has mode %o", what,
		  is.st_mode & 07777);
}

static void check_bytes(int fd, const char *what)
{
	static char bytes[BYTES];

	zoo_call(pread(fd, bytes, BYTES, 0) == BYTES, what);
	zoo_filled(bytes, BYTES, 1, what);
}

static void check_all(void)
{
	expect(constant, SIZE_SEALS | F_SEAL_WRITE | F_SEAL_SEAL, "constant");
	expect(constant_again, SIZE_SEALS | F_SEAL_WRITE | F_SEAL_SEAL,
	       "constant, opened again,");
	expect(sealable, 0, "sealable");
	expect(plain, F_SEAL_SEAL, "plain");
	expect(mapped, SIZE_SEALS, "mapped");
	expect(still_mapped, F_SEAL_FUTURE_WRITE | F_SEAL_GROW, "still mapped");
	expect(shown, SIZE_SEALS | F_SEAL_WRITE, "shown");
	expect(no_program, F_SEAL_EXEC, "no program");
	expect(program, ALL_SEALS | F_SEAL_EXEC, "program");
	expect_mode(no_program, 0666, "no program");
	expect_mode(program, 0700, "program");
	zoo_filled(view, BYTES, 1, "shown, as it is mapped,");
	check_bytes(constant_again, "constant");
	check_bytes(sealable, "sealable");
	check_bytes(plain, "plain");
}

static void use_all(void)
{
	zoo_check(pwrite(constant, "x", 1, 0) < 0 && errno == EPERM,
		  "what is constant can be written");
	zoo_check(ftruncate(mapped, BYTES / 2) < 0 && errno == EPERM,
		  "what is mapped can be cut");
	zoo_check(pwrite(still_mapped, "x", 1, 0) < 0 && errno == EPERM,
		  "what is mapped for good can be written");
	seal(sealable, F_SEAL_WRITE);
	zoo_check(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE) < 0,
		  "what is plain can be sealed");
	zoo_check(mprotect(view, BYTES, PROT_READ | PROT_WRITE) < 0,
		  "what is shown can be written");
	zoo_check(fchmod(no_program, 0777) < 0 && errno == EPERM,
		  "what is no program can become one");
	data[7]++;
	memory[7]++;
	still[7]++;
	check_bytes(constant, "constant");
	zoo_check(pread(still_mapped, &still[8], 1, 7) == 1 &&
			  still[8] == still[7],
		  "a map shows another file");
}

int main(int argc, char **argv)
{
	zoo_start(argc, argv);
	make_all();
	zoo_ready();
	while (zoo_running()) {
		check_all();
		zoo_sleep_ms(3);
	}
	check_all();
	use_all();
	return zoo_end();
}
