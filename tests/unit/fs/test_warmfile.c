/* SPDX-License-Identifier: MIT */
/* What is put into the warm file is in it, and no more memory than it needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/page.h"
#include "fs/warmfile.h"
#include "fs/warmplan.h"

#define UNIT  WARMPLAN_UNIT_PAGES
#define PAGES (8 * UNIT) /* from page 0 on, that a test looks at */

static struct image image_of(struct image_run *runs, uint32_t nr)
{
	return (struct image){.runs = runs, .nr_runs = nr};
}

static struct warmfile *open_file(const struct image *image)
{
	struct warmfile *file;
	int r = warmfile_open(image, &file);

	if (r == -EPERM || r == -ENOSYS) {
		print_message("no tmpfs of our own: %s\n", strerror(-r));
		skip();
	}
	assert_int_equal(r, 0);
	return file;
}

static uint64_t word_of(uint64_t page, uint64_t i)
{
	return page * 2654435761u + i;
}

static uint64_t *make_pages(uint64_t first, uint64_t nr)
{
	uint64_t *buf = malloc(nr << PAGE_SHIFT);

	for (uint64_t page = 0; page < nr; page++)
		for (uint64_t i = 0; i < 512; i++)
			buf[page * 512 + i] = word_of(first + page, i);
	return buf;
}

static int put(struct warmfile *file, uint64_t first, uint64_t nr)
{
	uint64_t *buf = make_pages(first, nr);
	int r = warmfile_put(file, first, nr, buf);

	free(buf);
	return r;
}

/* A page has its words, or zeros, and the map says the same as the file. */
static void assert_page(const struct warmfile *file, uint64_t page, bool has)
{
	const uint64_t *at = warmfile_at(file, page, 1);
	uint64_t words[512];

	assert_int_equal(pread(warmfile_fd(file), words, sizeof(words),
			       (off_t)(page << PAGE_SHIFT)),
			 sizeof(words));
	for (uint64_t i = 0; i < 512; i++)
		assert_int_equal(words[i], has ? word_of(page, i) : 0);
	if (at)
		assert_memory_equal(at, words, sizeof(words));
}

static void assert_all(const struct warmfile *file, const struct image *image)
{
	for (uint64_t page = 0; page < PAGES; page++)
		assert_page(file, page, image_present_pages(image, page, 1));
}

/*
 * A whole unit, one with a hole that is whole all the same, one that is not,
 * a last one that ends early; in stretches that begin and end anywhere.
 */
static void what_is_put_is_there(void **state)
{
	struct image_run runs[] = {{5, 3},
				   {UNIT - 10, 10 + UNIT + 100},
				   {2 * UNIT + 104, UNIT - 104},
				   {4 * UNIT, UNIT + 37}};
	struct image image = image_of(runs, 4);
	struct warmfile *file = open_file(&image);
	uint64_t pages = image_present_pages(&image, 0, PAGES);
	uint64_t bytes;

	assert_int_equal(warmfile_bytes(file), 0);
	assert_int_equal(put(file, UNIT - 10, 10 + UNIT + 100), 0);
	assert_int_equal(put(file, 5, 3), 0);
	assert_int_equal(put(file, 4 * UNIT, 1), 0); /* a unit by parts */
	assert_int_equal(put(file, 4 * UNIT + 1, UNIT + 36), 0);
	assert_int_equal(put(file, 2 * UNIT + 104, UNIT - 104), 0);
	assert_int_equal(put(file, UNIT, UNIT), 0); /* once more */
	bytes = warmfile_bytes(file);
	if (bytes > (pages << PAGE_SHIFT) + warmfile_waste_bytes(file))
		fail_msg("%lu bytes for %lu pages", bytes, pages);
	assert_int_equal(warmfile_waste_bytes(file), 4 << PAGE_SHIFT);
	assert_int_equal(warmfile_seal(file), 0);
	assert_all(file, &image);
	warmfile_close(file);
}

/* Holes that somebody reads, once it is sealed, take pages and not units. */
static void a_hole_that_is_read_takes_a_page(void **state)
{
	struct image_run runs[] = {{UNIT, UNIT}, {7 * UNIT, 1}};
	struct image image = image_of(runs, 2);
	struct warmfile *file = open_file(&image);
	uint64_t before;
	char *at;

	assert_int_equal(put(file, UNIT, UNIT), 0);
	assert_int_equal(put(file, 7 * UNIT, 1), 0);
	assert_int_equal(warmfile_seal(file), 0);
	before = warmfile_bytes(file);
	assert_true(before <= (UNIT + 1) << PAGE_SHIFT);
	at = mmap(NULL, PAGES << PAGE_SHIFT, PROT_READ, MAP_PRIVATE,
		  warmfile_fd(file), 0);
	assert_true(at != MAP_FAILED);
	for (uint64_t page = 2 * UNIT; page < 6 * UNIT; page += UNIT)
		assert_int_equal(*(volatile char *)(at + (page << PAGE_SHIFT)),
				 0);
	assert_true(warmfile_bytes(file) - before <= 4 << PAGE_SHIFT);
	assert_int_equal(munmap(at, PAGES << PAGE_SHIFT), 0);
	warmfile_close(file);
}

static void what_has_no_room_is_refused(void **state)
{
	struct image_run runs[] = {{UNIT, 10}};
	struct image image = image_of(runs, 1);
	struct warmfile *file = open_file(&image);

	assert_int_equal(put(file, UNIT + 8, 3), -EFAULT);
	assert_int_equal(put(file, 5, 1), -EFAULT);
	warmfile_close(file);
}

/* The kernel takes no more: it is said, and what was there stays right. */
static void a_write_that_fails_leaves_the_rest(void **state)
{
	struct image_run runs[] = {{UNIT, 3 * UNIT}};
	struct image image = image_of(runs, 1);
	struct warmfile *file = open_file(&image);
	struct rlimit old, limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = (2 * UNIT + 20) << PAGE_SHIFT;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(put(file, UNIT, UNIT), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(put(file, 2 * UNIT, UNIT), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	for (uint64_t page = UNIT; page < 2 * UNIT; page++)
		assert_page(file, page, true);
	for (uint64_t page = 3 * UNIT; page < 4 * UNIT; page++)
		assert_page(file, page, false);
	warmfile_close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_there),
		cmocka_unit_test(a_hole_that_is_read_takes_a_page),
		cmocka_unit_test(what_has_no_room_is_refused),
		cmocka_unit_test(a_write_that_fails_leaves_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
