/* SPDX-License-Identifier: MIT */
/*
 * zoo_views.c - shared maps without PROT_WRITE show what is written elsewhere
 *
 * One file without a name is mapped twice, to write and to run, as compilers of
 * code do; and a file with a name is written by its descriptor and read by a
 * map, as databases do.  The parent and its child both have the latter, and
 * each writes and looks under a lock.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	NR_PAGES = 16,
	BYTES = NR_PAGES * ZOO_PAGE,
	NR_FUNCTIONS = 64,
	NR_RECORDS = 200,
};

struct views {
	uint8_t *to_write;
	const uint8_t *to_run;
	int base_fd;
	const uint8_t *base, *base_again; /* all; its second half */
};

static int open_file(const char *name)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", zoo_dir(), name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	zoo_call(fd >= 0, path);
	zoo_call(ftruncate(fd, BYTES) == 0, "ftruncate");
	return fd;
}

static void *map_shared(int fd, size_t bytes, int prot, off_t offset)
{
	void *map = mmap(NULL, bytes, prot, MAP_SHARED, fd, offset);

	zoo_call(map != MAP_FAILED, "mmap");
	return map;
}

static void open_all(struct views *views)
{
	char path[PATH_MAX];
	int fd = open_file("code");

	(void)snprintf(path, sizeof(path), "%s/code", zoo_dir());
	zoo_call(unlink(path) == 0, "unlink");
	views->to_write = map_shared(fd, BYTES, PROT_READ | PROT_WRITE, 0);
	views->to_run = map_shared(fd, BYTES, PROT_READ | PROT_EXEC, 0);
	(void)close(fd);
	views->base_fd = open_file("base");
	views->base = map_shared(views->base_fd, BYTES, PROT_READ, 0);
	views->base_again =
		map_shared(views->base_fd, BYTES / 2, PROT_READ, BYTES / 2);
}

/* "mov $number, %eax; ret" */
static void write_code(const struct views *views, uint32_t at, uint32_t number)
{
	uint8_t code[6] = {0xb8, 0, 0, 0, 0, 0xc3};

	memcpy(code + 1, &number, sizeof(number));
	memcpy(views->to_write + at, code, sizeof(code));
}

static uint32_t run_code(const struct views *views, uint32_t at)
{
	uint32_t (*function)(void);

	*(const void **)&function = views->to_run + at;
	return function();
}

static void compile(const struct views *views, uint32_t round)
{
	uint32_t at = round % NR_FUNCTIONS * (BYTES / NR_FUNCTIONS);

	write_code(views, at, round);
	zoo_check(run_code(views, at) == round, "the code of round %u gives %u",
		  round, run_code(views, at));
}

static void lock(int fd, short type)
{
	struct flock whole = {.l_type = type};

	zoo_call(fcntl(fd, F_OFD_SETLKW, &whole) == 0, "lock");
}

/* A record is written by its descriptor, and must show in both maps. */
static void put_record(const struct views *views, uint64_t *random)
{
	off_t at = (off_t)(zoo_random(random) % (BYTES / 8) * 8);
	uint64_t record = zoo_random(random);

	lock(views->base_fd, F_WRLCK);
	zoo_call(pwrite(views->base_fd, &record, 8, at) == 8, "pwrite");
	zoo_check(!memcmp(views->base + at, &record, 8),
		  "what was written at %ld does not show in the map", at);
	if (at >= BYTES / 2)
		zoo_check(
			!memcmp(views->base_again + at - BYTES / 2, &record, 8),
			"what was written at %ld does not show again", at);
	lock(views->base_fd, F_UNLCK);
}

int main(int argc, char **argv)
{
	struct views views;
	uint64_t random = 0;
	uint32_t round = 0;

	zoo_start(argc, argv);
	open_all(&views);
	for (; round < NR_FUNCTIONS; round++)
		compile(&views, round);
	zoo_ready();
	for (; zoo_running(); round++)
		compile(&views, round);
	for (int i = 0; i < 1000; i++, round++)
		compile(&views, round);
	zoo_call(getrandom(&random, sizeof(random), 0) == sizeof(random),
		 "getrandom");
	random |= 1;
	for (int i = 0; i < NR_RECORDS; i++)
		put_record(&views, &random);
	return zoo_end();
}
