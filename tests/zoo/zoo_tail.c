/* SPDX-License-Identifier: MIT */
/*
 * zoo_tail.c - a private map of a file grows into the file, or not at all, and
 * shows the file's bytes again when its pages are dropped
 *
 * Behind the map lies other memory, which must never show in what is gained.
 * What is dropped was written before the image: a map of that shows it still.
 * Where no map can be had dropping fails, and nothing else; one that has been
 * dropped page by page is one map in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/zoo/zoo.h"

enum {
	PART = 4 * ZOO_PAGE,
	WHOLE = 16 * ZOO_PAGE,
	NR_MAPS = 6,
	NR_FILES = 3,
	FDS_END = 4096,
};

static char contents[WHOLE];

static int filled(int fd)
{
	zoo_call(fd >= 0, "making a file");
	zoo_fill(contents, WHOLE, 1);
	zoo_call(write(fd, contents, WHOLE) == WHOLE, "write");
	return fd;
}

static int make_file(const char *name, bool gone)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", zoo_dir(), name);
	fd = filled(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	zoo_call(!gone || unlink(path) == 0, "unlink");
	return fd;
}

/* All but the first page, written, between anonymous memory. */
static char *map_written(int fd, uint64_t seed)
{
	char *place = zoo_map(WHOLE + ZOO_PAGE);

	zoo_fill(place, ZOO_PAGE, seed);
	zoo_call(mmap(place + ZOO_PAGE, WHOLE - ZOO_PAGE,
		      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
		      ZOO_PAGE) == place + ZOO_PAGE,
		 "mmap");
	zoo_fill(place + ZOO_PAGE, WHOLE - ZOO_PAGE, seed);
	zoo_fill(place + WHOLE, ZOO_PAGE, seed);
	return place;
}

/* With too much mapped for any new map, even in the place of another. */
static void drop_refused(char *place, uint64_t seed)
{
	struct rlimit room, none;
	int error;

	zoo_call(getrlimit(RLIMIT_AS, &room) == 0, "getrlimit");
	none = (struct rlimit){ZOO_PAGE, room.rlim_max};
	zoo_call(setrlimit(RLIMIT_AS, &none) == 0, "setrlimit");
	error = madvise(place, WHOLE + ZOO_PAGE, MADV_DONTNEED) ? errno : 0;
	zoo_call(setrlimit(RLIMIT_AS, &room) == 0, "setrlimit");
	zoo_check(!error || error == ENOMEM, "MADV_DONTNEED: %d", error);
	zoo_zero(place, ZOO_PAGE, "memory before the map");
	zoo_zero(place + WHOLE, ZOO_PAGE, "memory behind the map");
	if (error)
		zoo_filled(place + ZOO_PAGE, WHOLE - ZOO_PAGE, seed,
			   "what could not be dropped");
}

static int count_maps(const char *start, const char *end)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[PATH_MAX + 128];
	int nr = 0;

	zoo_call(file != NULL, "fopen");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%lx-%lx", &from, &to) == 2)
			nr += to > (uintptr_t)start && from < (uintptr_t)end;
	(void)fclose(file);
	return nr;
}

static void drop_singly(char *place)
{
	char *map = place + ZOO_PAGE;

	for (char *page = map; page < place + WHOLE; page += ZOO_PAGE)
		zoo_call(madvise(page, ZOO_PAGE, MADV_DONTNEED) == 0,
			 "MADV_DONTNEED of a page");
	zoo_check(!memcmp(map, contents + ZOO_PAGE, WHOLE - ZOO_PAGE),
		  "pages dropped one by one are not the file's");
	zoo_check(count_maps(map, place + WHOLE) == 1, "%d maps are left",
		  count_maps(map, place + WHOLE));
}

static void drop(char *place, int fd, uint64_t seed)
{
	size_t bytes = WHOLE - ZOO_PAGE;
	char page[ZOO_PAGE];

	zoo_filled(place + ZOO_PAGE, bytes, seed, "a written map");
	drop_refused(place, seed);
	zoo_call(mprotect(place + PART, ZOO_PAGE,
			  PROT_READ | PROT_WRITE | PROT_EXEC) == 0,
		 "mprotect");
	zoo_call(madvise(place, WHOLE + ZOO_PAGE, MADV_DONTNEED) == 0,
		 "MADV_DONTNEED");
	zoo_zero(place, ZOO_PAGE, "memory before the map");
	zoo_zero(place + WHOLE, ZOO_PAGE, "memory behind the map");
	zoo_check(!memcmp(place + ZOO_PAGE, contents + ZOO_PAGE, bytes),
		  "dropped pages of file %lu are not the file's", seed);
	zoo_fill(place + ZOO_PAGE, bytes, seed + 1);
	zoo_call(pread(fd, page, ZOO_PAGE, ZOO_PAGE) == ZOO_PAGE, "pread");
	zoo_check(!memcmp(page, contents + ZOO_PAGE, ZOO_PAGE),
		  "the map is not private");
	zoo_call(madvise(place + PART, ZOO_PAGE, MADV_DONTNEED) == 0,
		 "MADV_DONTNEED again");
	zoo_check(!memcmp(place + PART, contents + PART, ZOO_PAGE),
		  "a page dropped again is not the file's");
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

/* It is one area still, whatever was dropped of it. */
static void drop_and_grow(char *map, char *from, size_t bytes, void *to)
{
	zoo_call(madvise(from, bytes, MADV_DONTNEED) == 0, "MADV_DONTNEED");
	zoo_check(!memcmp(from, contents + (from - map), bytes),
		  "dropped pages are not the file's");
	grow(map, MREMAP_MAYMOVE | (to ? MREMAP_FIXED : 0), to);
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
	char *maps[NR_MAPS], *written[NR_FILES], *singly[NR_FILES], *room;
	int files[NR_FILES], fd;

	zoo_start(argc, argv);
	fd = make_file("file", false);
	files[0] = make_file("there", false);
	files[1] = make_file("gone", true);
	files[2] = filled(memfd_create("zoo", MFD_CLOEXEC));
	for (uint64_t i = 0; i < NR_FILES; i++) {
		written[i] = map_written(files[i], 10 * (i + 1));
		singly[i] = map_written(files[i], 10 * (i + 1));
	}
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
	drop_and_grow(maps[4], maps[4] + PART - ZOO_PAGE, ZOO_PAGE, NULL);
	drop_and_grow(maps[5], maps[5] + ZOO_PAGE, ZOO_PAGE, room);
	for (uint64_t i = 0; i < NR_FILES; i++) {
		drop(written[i], files[i], 10 * (i + 1));
		drop_singly(singly[i]);
	}
	zoo_check(open("/dev/null", O_RDONLY | O_CLOEXEC) == files[2] + 1,
		  "a descriptor is open that this program never opened");
	for (fd = files[2] + 2; fd < FDS_END; fd++)
		zoo_check(fcntl(fd, F_GETFD) < 0,
			  "descriptor %d is open, which nobody opened", fd);
	return zoo_end();
}
