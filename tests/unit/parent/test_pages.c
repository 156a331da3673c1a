/* SPDX-License-Identifier: MIT */
/*
 * test_pages.c - reads of a stopped child give what it had, or say why not
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/page.h"
#include "common/pagescan.h"
#include "parent/pagemap.h"
#include "parent/pages.h"
#include "tests/unit/parent/victim.h"

#define AREA_PAGES 512u

static uint8_t *area; /* inherited by the victim at the same address */

/* Pages 0-99 and 200-399 have data; 250 may not be read; 390-399 are copied. */
static const struct image_run runs_template[] = {{0, 100}, {200, 200}};
static const struct image_run shared_template[] = {{50, 10}, {390, 10}};

#define NOT_READABLE 250u

struct opened {
	pid_t pid;
	struct image *image;
	struct image_run shared_runs[2];
	struct page_source *source;
	int shared_fd; /* the source's */
};

static uint8_t byte_of(unsigned page)
{
	return (uint8_t)(page % 251 + 1);
}

static void fill_area(void *arg)
{
	for (unsigned i = 0; i < AREA_PAGES; i++)
		if (i < 100 || (i >= 200 && i < 400))
			memset(area + i * PAGE_BYTES, byte_of(i), PAGE_BYTES);
	(void)mprotect(area + NOT_READABLE * PAGE_BYTES, PAGE_BYTES, PROT_NONE);
}

static void move_runs(struct image_run *to, const struct image_run *from)
{
	for (unsigned i = 0; i < 2; i++)
		to[i] = (struct image_run){page_of((uintptr_t)area) +
						   from[i].first_page,
					   from[i].nr_pages};
}

/* Twenty pages of 0xcc: the copy made in the pause. */
static int make_shared_copy(void)
{
	int fd = memfd_create("copy", MFD_CLOEXEC);
	uint8_t page[PAGE_BYTES];

	for (unsigned i = 0; i < 20; i++) {
		memset(page, 0xc0 + (int)i, sizeof(page));
		assert_int_equal(write(fd, page, sizeof(page)), PAGE_BYTES);
	}
	return fd;
}

static int open_source(void **state)
{
	struct opened *opened = calloc(1, sizeof(*opened));
	struct pages_origin origin = {0};
	char path[40];

	area = mmap(NULL, AREA_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	opened->pid = victim_start(fill_area, NULL);
	opened->image = image_new();
	opened->image->runs = calloc(2, sizeof(struct image_run));
	opened->image->nr_runs = 2;
	move_runs(opened->image->runs, runs_template);
	move_runs(opened->shared_runs, shared_template);
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", opened->pid);
	origin.twin = opened->pid;
	origin.mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	origin.exe_fd = memfd_create("exe", MFD_CLOEXEC);
	if (write(origin.exe_fd, "\177ELF", 4) != 4)
		return -1;
	origin.shared_fd = make_shared_copy();
	opened->shared_fd = origin.shared_fd;
	origin.shared_runs = opened->shared_runs;
	origin.nr_shared_runs = 2;
	origin.image = opened->image;
	*state = opened;
	return pages_open(&origin, &opened->source);
}

static int close_source(void **state)
{
	struct opened *opened = *state;

	pages_close(opened->source);
	victim_end(opened->pid);
	image_free(opened->image);
	(void)munmap(area, AREA_PAGES * PAGE_BYTES);
	free(opened);
	return 0;
}

static int read_at(struct opened *opened, uint64_t offset, void *buf,
		   size_t len)
{
	return opened->source->read(opened->source, SOURCE_MEMORY,
				    (uintptr_t)area + offset, buf, len);
}

static uint8_t expected(unsigned page)
{
	if (page >= 50 && page < 60)
		return (uint8_t)(0xc0 + page - 50);
	if (page >= 390 && page < 400)
		return (uint8_t)(0xc0 + 10 + page - 390);
	return page < 100 || (page >= 200 && page < 400) ? byte_of(page) : 0;
}

static void assert_page(const uint8_t *bytes, unsigned page)
{
	assert_int_equal(bytes[0], expected(page));
	assert_memory_equal(bytes, bytes + 1, PAGE_BYTES - 1);
}

/* Readable, copied, missing and forbidden pages in one long read. */
static void one_long_read_has_every_kind(void **state)
{
	uint8_t *bytes = malloc(AREA_PAGES * PAGE_BYTES);

	memset(bytes, 0xff, AREA_PAGES * PAGE_BYTES);
	assert_int_equal(read_at(*state, 0, bytes, AREA_PAGES * PAGE_BYTES), 0);
	for (unsigned i = 0; i < AREA_PAGES; i++)
		assert_page(bytes + i * PAGE_BYTES, i);
	free(bytes);
}

static void each_page_alone_is_the_same(void **state)
{
	uint8_t bytes[PAGE_BYTES];

	for (unsigned i = 0; i < AREA_PAGES; i++) {
		memset(bytes, 0xff, sizeof(bytes));
		assert_int_equal(
			read_at(*state, i * PAGE_BYTES, bytes, PAGE_BYTES), 0);
		assert_page(bytes, i);
	}
}

static void a_read_may_start_anywhere(void **state)
{
	uint8_t bytes[3 * PAGE_BYTES];

	/* The last bytes of page 59, all of 60, the first bytes of 61. */
	assert_int_equal(
		read_at(*state, 60 * PAGE_BYTES - 10, bytes, PAGE_BYTES + 20),
		0);
	for (size_t i = 0; i < PAGE_BYTES + 20; i++)
		assert_int_equal(bytes[i],
				 expected(i < 10		? 59
					  : i < 10 + PAGE_BYTES ? 60
								: 61));
}

static void holes_stay_holes_in_the_twin(void **state)
{
	struct opened *opened = *state;
	uint8_t *bytes = malloc(AREA_PAGES * PAGE_BYTES);
	struct runlist there = {0};
	int fd = pagescan_open(opened->pid);

	assert_int_equal(read_at(opened, 0, bytes, AREA_PAGES * PAGE_BYTES), 0);
	assert_int_equal(pagemap_scan(fd, (uintptr_t)area,
				      (uintptr_t)area + AREA_PAGES * PAGE_BYTES,
				      &there, NULL),
			 0);
	assert_int_equal(runlist_pages(&there), 300);
	runlist_free(&there);
	(void)close(fd);
	free(bytes);
}

static void the_executable_ends_in_zeros(void **state)
{
	struct opened *opened = *state;
	char bytes[8] = "xxxxxxx";

	assert_int_equal(
		opened->source->read(opened->source, SOURCE_EXE, 1, bytes, 8),
		0);
	assert_memory_equal(bytes, "ELF\0\0\0\0\0", 8);
	memset(bytes, 'x', 8);
	assert_int_equal(opened->source->read(opened->source, SOURCE_EXE,
					      1 << 20, bytes, 8),
			 0);
	assert_memory_equal(bytes, "\0\0\0\0\0\0\0\0", 8);
}

static void nonsense_is_einval(void **state)
{
	struct opened *opened = *state;
	char bytes[8];

	assert_int_equal(opened->source->read(opened->source, 2, 0, bytes, 8),
			 -EINVAL);
	assert_int_equal(opened->source->read(opened->source, SOURCE_MEMORY,
					      UINT64_MAX - 3, bytes, 8),
			 -EINVAL);
	assert_int_equal(opened->source->read(opened->source, SOURCE_EXE,
					      UINT64_MAX - 3, bytes, 8),
			 -EINVAL);
	assert_int_equal(opened->source->read(opened->source, SOURCE_EXE,
					      INT64_MAX - 3, bytes, 8),
			 -EINVAL);
}

static void a_dead_twin_is_stale(void **state)
{
	struct opened *opened = *state;
	uint8_t *bytes = malloc(AREA_PAGES * PAGE_BYTES);

	(void)kill(opened->pid, SIGKILL);
	(void)waitpid(opened->pid, NULL, 0);
	assert_int_equal(read_at(opened, 0, bytes, PAGE_BYTES), -ESTALE);
	assert_int_equal(read_at(opened, 200 * PAGE_BYTES, bytes, 1 << 18),
			 -ESTALE);
	/* What the twin is not needed for is still right. */
	assert_int_equal(read_at(opened, 50 * PAGE_BYTES, bytes, PAGE_BYTES),
			 0);
	assert_page(bytes, 50);
	assert_int_equal(read_at(opened, 150 * PAGE_BYTES, bytes, PAGE_BYTES),
			 0);
	free(bytes);
}

/* A page that the table promises and the memory has not: not zeros. */
static void a_lost_page_is_eio(void **state)
{
	struct opened *opened = *state;
	uint8_t *bytes = malloc(1 << 18);

	opened->image->runs[0] = (struct image_run){1, 100};
	assert_int_equal(opened->source->read(opened->source, SOURCE_MEMORY,
					      PAGE_BYTES, bytes, PAGE_BYTES),
			 -EIO);
	assert_int_equal(opened->source->read(opened->source, SOURCE_MEMORY,
					      PAGE_BYTES, bytes, 1 << 18),
			 -EIO);
	free(bytes);
}

static void a_lost_copy_is_eio(void **state)
{
	struct opened *opened = *state;
	uint8_t bytes[PAGE_BYTES];

	assert_int_equal(ftruncate(opened->shared_fd, 5 * PAGE_BYTES), 0);
	assert_int_equal(read_at(opened, 54 * PAGE_BYTES, bytes, PAGE_BYTES),
			 0);
	assert_int_equal(read_at(opened, 55 * PAGE_BYTES, bytes, PAGE_BYTES),
			 -EIO);
}

static void do_nothing(void *arg)
{
}

/* In KiB: what a process has that nobody shares. */
static long private_kib(pid_t pid)
{
	char path[40], line[128];
	FILE *file;
	long kib = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "Private_", 8))
			kib += strtol(strchr(line, ':') + 1, NULL, 10);
	if (file)
		(void)fclose(file);
	return kib;
}

/* What parent and twin share stays shared. */
static void reading_copies_nothing(void **state)
{
	static uint8_t chunk[1 << 20];
	const size_t bytes = 8 * sizeof(chunk);
	uint8_t *both = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct image_run run = {page_of((uintptr_t)both), page_of(bytes)};
	struct image image = {.runs = &run, .nr_runs = 1};
	struct pages_origin origin = {
		.exe_fd = -1, .shared_fd = -1, .image = &image};
	struct page_source *source;
	char path[40];
	long before;

	memset(both, 7, bytes);
	origin.twin = victim_start(do_nothing, NULL);
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", origin.twin);
	origin.mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pages_open(&origin, &source), 0);
	before = private_kib(origin.twin);
	assert_true(before > 0);
	for (size_t at = 0; at < bytes; at += sizeof(chunk)) {
		assert_int_equal(source->read(source, SOURCE_MEMORY,
					      (uintptr_t)both + at, chunk,
					      sizeof(chunk)),
				 0);
		assert_int_equal(chunk[sizeof(chunk) - 1], 7);
	}
	assert_in_range(private_kib(origin.twin), 0, before + 512);
	pages_close(source);
	victim_end(origin.twin);
	(void)munmap(both, bytes);
}

static void nobody_is_stale(void **state)
{
	struct pages_origin origin = {
		.twin = 1 << 23, .mem_fd = -1, .exe_fd = -1, .shared_fd = -1};
	struct page_source *source = NULL;

	assert_int_equal(pages_open(&origin, &source), -ESTALE);
	assert_null(source);
	pages_close(NULL);
}

int main(void)
{
#define WITH_SOURCE(test)                                                      \
	cmocka_unit_test_setup_teardown(test, open_source, close_source)
	const struct CMUnitTest tests[] = {
		WITH_SOURCE(one_long_read_has_every_kind),
		WITH_SOURCE(each_page_alone_is_the_same),
		WITH_SOURCE(a_read_may_start_anywhere),
		WITH_SOURCE(holes_stay_holes_in_the_twin),
		WITH_SOURCE(the_executable_ends_in_zeros),
		WITH_SOURCE(nonsense_is_einval),
		WITH_SOURCE(a_dead_twin_is_stale),
		WITH_SOURCE(a_lost_page_is_eio),
		WITH_SOURCE(a_lost_copy_is_eio),
		cmocka_unit_test(reading_copies_nothing),
		cmocka_unit_test(nobody_is_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
