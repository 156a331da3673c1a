/* SPDX-License-Identifier: MIT */
#include "tools/bench/field.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"

/*
 * The kernel gives read-around up for a file that misses a hundred times
 * (MMAP_LOTSAMISS): after so many touches the file is opened anew.
 */
#define TOUCHES_AN_OPEN 64u
#define STEP		7919u /* a prime: touches are in no order */

int field_open(const char *path, uint64_t offset, uint64_t nr_pages,
	       struct field *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = (struct field){fd, path, offset, nr_pages, 0};
	return 0;
}

void field_close(struct field *field)
{
	cleanup_close(&field->fd);
	field->fd = -1;
}

/* How much the kernel reads around a fault, of files opened from now on. */
static int set_readahead(const struct field *field, unsigned pages)
{
	CLEANUP_FCLOSE FILE *knob = NULL;
	char path[64];
	struct stat st;

	if (fstat(field->fd, &st))
		return -errno;
	(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb",
		       major(st.st_dev), minor(st.st_dev));
	knob = fopen(path, "we");
	if (!knob)
		return -errno;
	(void)fprintf(knob, "%lu\n", pages * PAGE_BYTES / 1024);
	return 0;
}

/* The first of @nr_pages cold pages. */
static uint64_t take_pages(struct field *field, uint64_t nr_pages)
{
	uint64_t page = field->next_page;

	if (page + nr_pages > field->nr_pages) {
		(void)posix_fadvise(field->fd, (off_t)field->offset,
				    (off_t)(field->nr_pages << PAGE_SHIFT),
				    POSIX_FADV_DONTNEED);
		page = 0;
	}
	field->next_page = page + nr_pages;
	return page;
}

/* One thread's share of a batch. */
struct share {
	const struct field_touch *touch;
	char *map;
	unsigned nr;
	int cpu;
	pthread_barrier_t *start;
	struct hist hist;
};

static void touch_all(struct share *share)
{
	size_t block = share->touch->pages * PAGE_BYTES;
	bool writes = share->touch->writes;

	for (unsigned i = 0; i < share->nr; i++) {
		size_t at = (size_t)i * STEP % share->nr;
		/* Read-around is centred on the page that faults. */
		volatile char *byte = share->map + at * block + block / 2;
		uint64_t start_ns = io_monotonic_ns();

		if (writes)
			*byte = 1;
		else
			(void)*byte;
		hist_add(&share->hist, io_monotonic_ns() - start_ns);
	}
}

static void *share_main(void *arg)
{
	struct share *share = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(share->cpu, &cpus);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	(void)pthread_barrier_wait(share->start);
	touch_all(share);
	return NULL;
}

/* All of a batch, by threads that begin at once, each on its CPU. */
static void touch_by_threads(const struct share *whole, struct hist *hist)
{
	unsigned nr_threads = whole->touch->threads;
	size_t block = whole->touch->pages * PAGE_BYTES;
	pthread_t threads[FIELD_THREADS_MAX];
	struct share shares[FIELD_THREADS_MAX];
	pthread_barrier_t start;

	(void)pthread_barrier_init(&start, NULL, nr_threads);
	for (unsigned i = 0; i < nr_threads; i++) {
		shares[i] = *whole;
		shares[i].nr = whole->nr / nr_threads;
		shares[i].map += i * shares[i].nr * block;
		shares[i].cpu = (int)i;
		shares[i].start = &start;
		if (pthread_create(&threads[i], NULL, share_main, &shares[i]))
			abort(); /* the others wait for it */
	}
	for (unsigned i = 0; i < nr_threads; i++) {
		(void)pthread_join(threads[i], NULL);
		hist_merge(hist, &shares[i].hist);
	}
	(void)pthread_barrier_destroy(&start);
}

/* Some touches through one open file. */
static int touch_some(struct field *field, const struct field_touch *touch,
		      unsigned nr, struct hist *hist)
{
	CLEANUP_CLOSE int fd = open(field->path, O_RDONLY | O_CLOEXEC);
	size_t bytes = (size_t)nr * touch->pages * PAGE_BYTES;
	uint64_t page = take_pages(field, nr * touch->pages);
	char *map = mmap(
		NULL, bytes, touch->writes ? PROT_READ | PROT_WRITE : PROT_READ,
		MAP_PRIVATE, fd, (off_t)(field->offset + (page << PAGE_SHIFT)));
	struct share whole;
	int error = 0;

	if (map == MAP_FAILED)
		return -errno;
	if (touch->pages == 1 && madvise(map, bytes, MADV_RANDOM))
		error = -errno;
	whole = (struct share){.touch = touch, .map = map, .nr = nr};
	if (touch->threads > 1) {
		touch_by_threads(&whole, hist);
	} else {
		touch_all(&whole);
		hist_merge(hist, &whole.hist);
	}
	(void)munmap(map, bytes);
	return error;
}

int field_touch(struct field *field, const struct field_touch *touch,
		unsigned nr, struct hist *hist)
{
	int error = set_readahead(field, touch->pages);

	while (!error && nr) {
		unsigned now = nr < TOUCHES_AN_OPEN ? nr : TOUCHES_AN_OPEN;

		error = touch_some(field, touch, now, hist);
		nr -= now;
	}
	return error;
}
