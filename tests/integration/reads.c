/* SPDX-License-Identifier: MIT */
/*
 * reads.c - NR random reads of an image, each compared with the stopped process
 *
 *     reads IMAGE PID SEED NR RSEQ
 *
 * A read picks an area, an offset and a length, and a way: pread(2) or read(2)
 * of the area's file, a look into a map of it, or pread(2) of mem.  What
 * /proc/PID/mem says must be the same.  PID is stopped and its memory is as it
 * was when the image was taken, but for the 32 bytes at RSEQ (hexadecimal):
 * there the kernel says on which CPU its thread runs, each time that changes
 * (rseq(2)).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREAS_MAX  4096
#define LEN_MAX	   (32u << 10)
#define RSEQ_BYTES 32u

struct area {
	uint64_t start, end;
	int fd;
	uint8_t *map;
};

static struct area areas[AREAS_MAX];
static unsigned nr_areas;
static int image_mem, parent_mem;
static uint64_t state, rseq;

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void die(const char *what)
{
	(void)fprintf(stderr, "reads: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int open_at(const char *dir, const char *name)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die(path);
	return fd;
}

static void add_area(const char *image, uint64_t start, uint64_t end)
{
	char name[64];
	struct area *area = &areas[nr_areas];

	(void)snprintf(name, sizeof(name), "vma/%08" PRIx64 "-%08" PRIx64,
		       start, end);
	*area = (struct area){start, end, open_at(image, name), NULL};
	area->map =
		mmap(NULL, end - start, PROT_READ, MAP_PRIVATE, area->fd, 0);
	if (area->map == MAP_FAILED)
		die(name);
	nr_areas++;
}

static void add_areas(const char *image)
{
	FILE *maps = fdopen(open_at(image, "maps"), "r");
	uint64_t start, end;
	char line[8192];

	while (maps && fgets(line, sizeof(line), maps)) {
		/* The kernel's own have no file. */
		if (strstr(line, "[vvar") || strstr(line, "[vsyscall]"))
			continue;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2 &&
		    nr_areas < AREAS_MAX)
			add_area(image, start, end);
	}
	if (!maps || fclose(maps) || !nr_areas)
		die("maps");
}

enum way { WAY_PREAD, WAY_READ, WAY_MAP, WAY_MEM };

/* mem is never cached: a read of it costs a round trip. */
static enum way some_way(void)
{
	unsigned dice = next() % 16;

	return dice ? (enum way)(dice % 3) : WAY_MEM;
}

/* Most reads are small; some are long. */
static size_t some_length(void)
{
	switch (next() % 16) {
	case 0:
		return 1 + next() % LEN_MAX;
	case 1:
	case 2:
		return 1 + next() % 8192;
	default:
		return 1 + next() % 256;
	}
}

static ssize_t read_by(enum way way, const struct area *area, uint64_t offset,
		       uint8_t *buf, size_t len)
{
	switch (way) {
	case WAY_PREAD:
		return pread(area->fd, buf, len, (off_t)offset);
	case WAY_READ:
		if (lseek(area->fd, (off_t)offset, SEEK_SET) < 0)
			return -1;
		return read(area->fd, buf, len);
	case WAY_MAP:
		memcpy(buf, area->map + offset, len);
		return (ssize_t)len;
	default:
		return pread(image_mem, buf, len,
			     (off_t)(area->start + offset));
	}
}

/* Areas are chosen by their number, half of the time by their size. */
static const struct area *some_area(void)
{
	uint64_t total = 0, at;

	if (next() % 2)
		return &areas[next() % nr_areas];
	for (unsigned i = 0; i < nr_areas; i++)
		total += areas[i].end - areas[i].start;
	at = next() % total;
	for (unsigned i = 0; i < nr_areas; i++) {
		if (at < areas[i].end - areas[i].start)
			return &areas[i];
		at -= areas[i].end - areas[i].start;
	}
	return &areas[0];
}

static int is_right(void)
{
	static uint8_t want[LEN_MAX], got[LEN_MAX];
	const struct area *area = some_area();
	uint64_t size = area->end - area->start, offset = next() % size;
	size_t len = some_length();
	enum way way = some_way();
	ssize_t is;

	if (len > size - offset)
		len = size - offset;
	if (pread(parent_mem, want, len, (off_t)(area->start + offset)) !=
	    (ssize_t)len)
		die("the parent's memory");
	is = read_by(way, area, offset, got, len);
	for (size_t i = 0; i < RSEQ_BYTES; i++)
		if (rseq + i - area->start - offset < len)
			got[rseq + i - area->start - offset] =
				want[rseq + i - area->start - offset];
	if (is == (ssize_t)len && !memcmp(want, got, len))
		return 1;
	(void)fprintf(stderr,
		      "wrong: way %d, area %" PRIx64 ", offset %" PRIu64
		      ", length %zu, result %zd\n",
		      way, area->start, offset, len, is);
	return 0;
}

int main(int argc, char **argv)
{
	char proc[32];
	uint64_t wrong = 0, nr;

	if (argc != 6) {
		(void)fprintf(stderr, "usage: reads IMAGE PID SEED NR RSEQ\n");
		return 2;
	}
	(void)snprintf(proc, sizeof(proc), "/proc/%d", atoi(argv[2]));
	state = strtoull(argv[3], NULL, 0);
	nr = strtoull(argv[4], NULL, 0);
	rseq = strtoull(argv[5], NULL, 16);
	parent_mem = open_at(proc, "mem");
	image_mem = open_at(argv[1], "mem");
	add_areas(argv[1]);
	for (uint64_t i = 0; i < nr; i++)
		wrong += !is_right();
	(void)printf("%" PRIu64 " reads of %u areas, %" PRIu64 " wrong\n", nr,
		     nr_areas, wrong);
	return wrong != 0;
}
