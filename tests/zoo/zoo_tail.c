/* SPDX-License-Identifier: MIT */
/*
 * zoo_tail.c - a private map of a file grows into the file, or not at all
 *
 * Behind the map lies other memory, which must never show in what is gained.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	PART = 4 * ZOO_PAGE,
	WHOLE = 16 * ZOO_PAGE,
	NR_MAPS = 4,
};

static char contents[WHOLE];

static int make_file(void)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/file", zoo_dir());
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	zoo_call(fd >= 0, path);
	zoo_fill(contents, WHOLE, 1);
	zoo_call(write(fd, contents, WHOLE) == WHOLE, "write");
	return fd;
}

/* A part of the file, with other memory right behind it. */
static char *map_part(int fd)
{
	char *place = zoo_map(WHOLE);

	zoo_fill(place, WHOLE, 2);
	zoo_call(mmap(place, PART, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_FIXED, fd, 0) == place,
		 "mmap");
	place[0]++;
	return place;
}

static void grow(char *map, int flags, void *to)
{
	char first = map[0];
	char *grown = mremap(map, PART, WHOLE, flags, to);

	if (grown == MAP_FAILED) {
		zoo_check(errno == ENOMEM, "mremap: %s", zoo_errno_words());
		grown = map;
	} else {
		zoo_check(!memcmp(grown + PART, contents + PART, WHOLE - PART),
			  "the map grew into something else");
	}
	zoo_check(grown[0] == first &&
			  !memcmp(grown + 1, contents + 1, PART - 1),
		  "what was mapped has changed");
}

static void move(char *map, char *to)
{
	char *moved =
		mremap(map, PART, PART, MREMAP_MAYMOVE | MREMAP_FIXED, to);

	zoo_call(moved == to, "mremap");
	grow(moved, MREMAP_MAYMOVE, NULL);
}

int main(int argc, char **argv)
{
	char *maps[NR_MAPS], *room;
	int fd;

	zoo_start(argc, argv);
	fd = make_file();
	for (int i = 0; i < NR_MAPS; i++)
		maps[i] = map_part(fd);
	zoo_ready();
	while (zoo_running())
		zoo_sleep_ms(1);
	room = mmap(NULL, 2 * WHOLE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	zoo_call(room != MAP_FAILED, "mmap");
	grow(maps[0], MREMAP_MAYMOVE, NULL);
	grow(maps[1], MREMAP_MAYMOVE | MREMAP_FIXED, room);
	move(maps[2], room + WHOLE);
	zoo_call(munmap(maps[3] + PART, WHOLE - PART) == 0, "munmap");
	grow(maps[3], 0, NULL);
	return zoo_end();
}
