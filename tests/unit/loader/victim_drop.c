/* SPDX-License-Identifier: MIT */
/* Victims that drop pages in one thread. */
#include "victim.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int done(void)
{
	return victim_failures() != 0;
}

/* Dropped pages are zero, whether dirtied since or not; neighbours are kept. */
static int basic(void)
{
	unsigned char *p = victim_pages(256, 0x11);

	victim_checkpoint();
	victim_check(victim_is(p, 256 * PAGE, 0x11), "content after");
	p[5 * PAGE] = 0x22;
	victim_check(!madvise(p, 16 * PAGE, MADV_DONTNEED), "rc");
	victim_check(victim_is(p, 16 * PAGE, 0), "dropped is zero");
	victim_check(victim_is(p + 16 * PAGE, 240 * PAGE, 0x11), "rest kept");
	memset(p, 0x33, 16 * PAGE);
	victim_check(!madvise(p + 8 * PAGE, 16 * PAGE, MADV_DONTNEED), "rc 2");
	victim_check(victim_is(p, 8 * PAGE, 0x33), "new data kept");
	victim_check(victim_is(p + 8 * PAGE, 16 * PAGE, 0), "mixed is zero");
	return done();
}

/* errno as the kernel gives it, and the effect of a call that fails midway. */
static int errnos(void)
{
	unsigned char *p = victim_pages(64, 0x61);
	unsigned char *gone = p + 20 * PAGE;

	victim_checkpoint();
	(void)mlock(p + 4 * PAGE, 4 * PAGE);
	victim_check(madvise(p, 16 * PAGE, MADV_DONTNEED) && errno == EINVAL,
		     "locked: EINVAL");
	victim_check(victim_is(p, 4 * PAGE, 0), "before the locked: dropped");
	victim_check(victim_is(p + 4 * PAGE, 12 * PAGE, 0x61),
		     "from the locked on: kept");
	(void)munlock(p + 4 * PAGE, 4 * PAGE);
	victim_check(!madvise(p + 4 * PAGE, 4 * PAGE, MADV_DONTNEED) &&
			     victim_is(p + 4 * PAGE, 4 * PAGE, 0),
		     "unlocked: zero");
	(void)munmap(gone, PAGE);
	victim_check(madvise(gone - 4 * PAGE, 8 * PAGE, MADV_DONTNEED) &&
			     errno == ENOMEM,
		     "hole: ENOMEM");
	victim_check(victim_is(gone - 4 * PAGE, 4 * PAGE, 0) &&
			     victim_is(gone + PAGE, 3 * PAGE, 0),
		     "both sides of the hole: zero");
	victim_check(madvise(p + 30 * PAGE + 1, PAGE, MADV_DONTNEED) &&
			     errno == EINVAL,
		     "unaligned: EINVAL");
	victim_check(!madvise(p + 30 * PAGE, 0, MADV_DONTNEED) &&
			     victim_is(p + 30 * PAGE, PAGE, 0x61),
		     "nothing to drop");
	victim_check(!madvise(p + 30 * PAGE, 1, MADV_DONTNEED) &&
			     victim_is(p + 30 * PAGE, PAGE, 0) &&
			     victim_is(p + 31 * PAGE, PAGE, 0x61),
		     "one byte: one page");
	return done();
}

/* "rw-p" of the map at @p. */
static void access_of(const void *p, char ret[5])
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[256];
	unsigned long start, end;

	strcpy(ret, "none");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %4s", &start, &end, ret) == 3 &&
		    end > (unsigned long)p)
			break;
	if (f)
		(void)fclose(f);
}

/* Pieces of other protections are dropped too, and keep their protection. */
static int protections(void)
{
	unsigned char *p = victim_pages(64, 0x62);
	char access[5];

	victim_checkpoint();
	(void)mprotect(p + 10 * PAGE, PAGE, PROT_READ);
	(void)mprotect(p + 11 * PAGE, PAGE, PROT_NONE);
	victim_check(!madvise(p + 9 * PAGE, 4 * PAGE, MADV_DONTNEED), "rc");
	access_of(p + 10 * PAGE, access);
	victim_check(!strcmp(access, "r--p"), "read-only stays so");
	access_of(p + 11 * PAGE, access);
	victim_check(!strcmp(access, "---p"), "PROT_NONE stays so");
	(void)mprotect(p + 11 * PAGE, PAGE, PROT_READ);
	victim_check(victim_is(p + 9 * PAGE, 4 * PAGE, 0), "all zero");
	victim_check(!mprotect(p + 10 * PAGE, PAGE, PROT_READ | PROT_WRITE),
		     "may be made writable");
	memset(p + 10 * PAGE, 1, PAGE);
	return done();
}

/* Guard pages that are taken away again leave zeros. */
static int guard_pages(void)
{
	unsigned char *p = victim_pages(32, 0x63);
	int pipes[2];

	victim_checkpoint();
	if (madvise(p + 4 * PAGE, 4 * PAGE, 102) && errno == EINVAL)
		return VICTIM_SKIP;
	victim_check(!pipe(pipes) && write(pipes[1], p + 5 * PAGE, 1) < 0 &&
			     errno == EFAULT,
		     "guarded");
	victim_check(!madvise(p + 4 * PAGE, 4 * PAGE, 103), "remove");
	victim_check(victim_is(p + 4 * PAGE, 4 * PAGE, 0), "zero");
	victim_check(victim_is(p, 4 * PAGE, 0x63), "kept");
	victim_check(victim_is(p + 8 * PAGE, 24 * PAGE, 0x63), "kept behind");
	return done();
}

/* The other name of the call is refused, never wrong. */
static int by_vector(void)
{
	unsigned char *p = victim_pages(8, 0x64);
	struct {
		void *base;
		size_t len;
	} range = {p, 4 * PAGE};
	long pidfd, r;

	victim_checkpoint();
	pidfd = syscall(434, getpid(), 0);
	r = syscall(440, pidfd, &range, 1, MADV_DONTNEED, 0);
	victim_check(r < 0 ? victim_is(p, 8 * PAGE, 0x64)
			   : victim_is(p, 4 * PAGE, 0),
		     "process_madvise");
	victim_check(!madvise(p, 4 * PAGE, 24), "locked pages may go");
	victim_check(victim_is(p, 4 * PAGE, 0), "zero");
	return done();
}

/* A file's private map gives the file back, as ever. */
static int real_file(void)
{
	int fd = memfd_create("file", 0);
	unsigned char *p, page[PAGE];

	memset(page, 0x65, PAGE);
	if (fd < 0 || write(fd, page, PAGE) != (ssize_t)PAGE)
		return 126;
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	victim_checkpoint();
	memset(p, 1, PAGE);
	victim_check(!madvise(p, PAGE, MADV_DONTNEED), "rc");
	victim_check(victim_is(p, PAGE, 0x65), "the file's bytes");
	return done();
}

static int heap_end(void)
{
	unsigned char *end = sbrk(0);

	end = (unsigned char *)(((unsigned long)end + PAGE - 1) & -PAGE);
	if (brk(end + 256 * PAGE))
		return VICTIM_SKIP;
	memset(end, 0x77, 256 * PAGE);
	victim_checkpoint();
	victim_check(victim_is(end, 256 * PAGE, 0x77), "content");
	(void)brk(end + 128 * PAGE);
	(void)brk(end + 512 * PAGE);
	victim_check(victim_is(end, 128 * PAGE, 0x77), "kept");
	victim_check(victim_is(end + 128 * PAGE, 384 * PAGE, 0), "regrown");
	victim_check(sbrk(0) == end + 512 * PAGE, "its end");
	(void)brk(end);
	(void)brk(end + 64 * PAGE);
	victim_check(victim_is(end, 64 * PAGE, 0), "from the start");
	(void)brk(end);
	return done();
}

static long recurse(long depth)
{
	volatile unsigned char room[4000];
	long wrong = 0;

	for (size_t i = 0; i < sizeof(room); i += 500)
		room[i] = (unsigned char)depth;
	if (depth)
		wrong = recurse(depth - 1);
	for (size_t i = 0; i < sizeof(room); i += 500)
		wrong += room[i] != (unsigned char)depth;
	return wrong;
}

static void *recurse_in_thread(void *arg)
{
	return (void *)recurse((long)arg);
}

static int stack(void)
{
	pthread_t thread;
	void *wrong;

	(void)recurse(20);
	victim_checkpoint();
	victim_check(!recurse(1500), "main stack");
	if (pthread_create(&thread, NULL, recurse_in_thread, (void *)1500))
		return 126;
	(void)pthread_join(thread, &wrong);
	victim_check(!wrong, "thread stack");
	return done();
}

/* No map is left to be had: still zeros. */
static int max_maps(void)
{
	unsigned char *p = victim_pages(1024, 0x44), *q;
	size_t nr = 0, most = 140000;

	victim_checkpoint();
	q = mmap(NULL, 2 * most * PAGE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	while (nr < most && !mprotect(q + 2 * nr * PAGE, PAGE, PROT_READ))
		nr++;
	if (nr == most)
		return VICTIM_SKIP;
	for (size_t i = 0; i < 100; i++) {
		unsigned char *at = p + 8 * i * PAGE;

		if (madvise(at, 4 * PAGE, MADV_DONTNEED))
			continue;
		victim_check(victim_is(at, 4 * PAGE, 0), "zero");
		victim_check(victim_is(at + 4 * PAGE, 4 * PAGE, 0x44), "kept");
	}
	return done();
}

static int by_ns(const void *a, const void *b)
{
	const long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The median time of dropping @pages pages, of 500 calls. */
static void time_drops(unsigned char *p, size_t pages, const char *what)
{
	enum { CALLS = 500 };
	static long ns[CALLS];

	for (size_t i = 0; i < CALLS; i++) {
		struct timespec start, end;

		p[i * 16 * PAGE] = 1;
		(void)clock_gettime(CLOCK_MONOTONIC, &start);
		(void)madvise(p + i * 16 * PAGE, pages * PAGE, MADV_DONTNEED);
		(void)clock_gettime(CLOCK_MONOTONIC, &end);
		ns[i] = (end.tv_sec - start.tv_sec) * 1000000000l +
			end.tv_nsec - start.tv_nsec;
	}
	qsort(ns, CALLS, sizeof(ns[0]), by_ns);
	(void)printf("%-24s %2zu pages: %6ld ns, best tenth %6ld\n", what,
		     pages, ns[CALLS / 2], ns[CALLS / 10]);
}

/* No check: what the calls cost. */
static int cost(void)
{
	unsigned char *p = victim_pages(8000, 1), *q;

	victim_checkpoint();
	time_drops(p, 1, "image, first");
	time_drops(p, 1, "image, again");
	time_drops(p, 16, "image, the rest of it");
	q = victim_pages(8000, 1);
	time_drops(q, 1, "ordinary");
	time_drops(q, 16, "ordinary");
	return 0;
}

const struct victim victims_drop[] = {
	{"basic", basic},
	{"errnos", errnos},
	{"protections", protections},
	{"guard-pages", guard_pages},
	{"by-vector", by_vector},
	{"real-file", real_file},
	{"heap-end", heap_end},
	{"stack", stack},
	{"max-maps", max_maps},
	{"cost", cost},
	{NULL},
};
