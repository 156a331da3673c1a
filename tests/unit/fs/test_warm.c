/* SPDX-License-Identifier: MIT */
/*
 * The warm tier through the kernel: a complete image is a file that asks
 * nobody, and what is not complete, or cannot be, is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/mman.h>

#include "common/page.h"
#include "common/source.h"
#include "tests/unit/fs/mounted.h"

static int open_file(const char *name, int flags)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/image/%s", mountpoint, name);
	return open(path, flags | O_CLOEXEC);
}

/* The area at 0x10000, of which pages 2, 3 and 9 are there. */
static uint64_t *map_area(int fd)
{
	uint64_t *words = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE, fd, 0x10000);

	assert_true(words != MAP_FAILED);
	return words;
}

static void assert_area(const uint64_t *words)
{
	struct image *image = sample_image();

	for (uint64_t page = 0; page < 16; page++) {
		uint64_t raddr = 0x10000 + (page << PAGE_SHIFT);
		uint64_t word = image_present_pages(image, page_of(raddr), 1)
					? null_word(SOURCE_MEMORY, raddr)
					: 0;

		assert_int_equal(words[page * 512], word);
	}
	image_free(image);
}

/* Skips where the kernel has no passthrough, or we may not use it. */
static pid_t start_warm(const struct null_options *faults, int *ret_fd)
{
	pid_t pid = start("mode=eager", NULL, ret_fd);
	char *text;
	bool cannot;

	assert_true(comes_ready(*ret_fd));
	text = slurp("status");
	cannot = strstr(text, "\ntier: cold") != NULL;
	/* It is busy while its own thread looks for the file of all pages. */
	assert_int_equal(umount2(mountpoint, MNT_DETACH), 0);
	assert_int_equal(status_of(pid), 0);
	if (cannot) {
		print_message("%s", strstr(text, "\ntier: cold") + 1);
		free(text);
		skip();
	}
	free(text);
	return start(faults ? "mode=eager" : "mode=eager,eager=wait", faults,
		     ret_fd);
}

static void its_maps_outlive_the_server(void **state)
{
	int fd, file;
	pid_t pid = start_warm(NULL, &fd);
	uint64_t *words;
	char *text;

	assert_true(comes_ready(fd));
	text = slurp("status");
	assert_has(text, "\ntier: warm\n");
	assert_has(text, "\nreads_demand: 0\n");
	free(text);
	file = open_file(".warm", O_RDONLY);
	assert_true(file >= 0);
	words = map_area(file);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_area(words);
	words[2 * 512] = 5; /* copy on write: nobody else sees it */
	assert_area(map_area(file));
	assert_int_equal(munmap(words, 0x10000), 0);
	assert_int_equal(close(file), 0);
	assert_int_equal(umount2(mountpoint, MNT_DETACH), 0);
}

static void nobody_can_write_it(void **state)
{
	int fd, file;
	pid_t pid = start_warm(NULL, &fd);

	assert_true(comes_ready(fd));
	assert_int_equal(open_file(".warm", O_RDWR), -1);
	assert_int_equal(errno, EROFS);
	file = open_file(".warm", O_RDONLY);
	assert_true(file >= 0);
	assert_true(mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			 file, 0x12000) == MAP_FAILED);
	assert_int_equal(errno, EACCES);
	assert_int_equal(close(file), 0);
	assert_int_equal(umount(mountpoint), 0);
	assert_int_equal(status_of(pid), 0);
}

/* Until all is here there is no such file; what has come is not asked again. */
static void it_is_there_once_all_is(void **state)
{
	const struct null_options slow = {.delay_ns = 300000000};
	int fd, file;
	pid_t pid = start_warm(&slow, &fd);
	uint64_t *words;
	char *text;

	assert_true(comes_ready(fd));
	assert_int_equal(open_file(".warm", O_RDONLY), -1);
	assert_int_equal(errno, ENOENT);
	file = open_file(".space", O_RDONLY);
	assert_true(file >= 0);
	words = map_area(file);
	assert_area(words);
	assert_int_equal(munmap(words, 0x10000), 0);
	assert_int_equal(close(file), 0);
	assert_true(comes_line("\ntier: warm\n"));
	file = open_file(".warm", O_RDONLY);
	assert_true(file >= 0);
	words = map_area(file);
	assert_area(words);
	assert_int_equal(munmap(words, 0x10000), 0);
	assert_int_equal(close(file), 0);
	text = slurp("status");
	assert_has(text, "\npages_here: 7\n");
	assert_has(text, "\nbytes_read: 28672\n"); /* each page once */
	free(text);
	assert_int_equal(umount(mountpoint), 0);
	assert_int_equal(status_of(pid), 0);
}

/* Tools that read areas later ask nobody either. */
static void files_of_areas_are_answered_out_of_it(void **state)
{
	int fd, file;
	pid_t pid = start_warm(NULL, &fd);
	uint64_t *words;
	char *text;

	assert_true(comes_ready(fd));
	file = open_file("vma/00010000-00020000", O_RDONLY);
	assert_true(file >= 0);
	words = mmap(NULL, 0x10000, PROT_READ, MAP_PRIVATE, file, 0);
	assert_true(words != MAP_FAILED);
	assert_area(words);
	assert_int_equal(munmap(words, 0x10000), 0);
	assert_int_equal(close(file), 0);
	text = slurp("status");
	assert_has(text, "\nreads_demand: 0\n");
	if (strstr(text, "\nreads_warm: 0\n"))
		fail_msg("nothing was read out of it");
	free(text);
	assert_int_equal(umount(mountpoint), 0);
	assert_int_equal(status_of(pid), 0);
}

static void assert_cold(const char *wanted, const struct null_options *faults,
			const char *line)
{
	int fd;
	pid_t pid = start(wanted, faults, &fd);

	assert_true(comes_ready(fd));
	if (!comes_line(line))
		fail_msg("%s: no '%s'", wanted, line);
	assert_int_equal(open_file(".warm", O_RDONLY), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(umount2(mountpoint, MNT_DETACH), 0);
	assert_int_equal(status_of(pid), 0);
}

static void what_is_cold_says_why(void **state)
{
	const struct null_options faults = {.fail_every = 1,
					    .fail_result = -EREMOTEIO};
	int fd;
	pid_t pid = start_warm(NULL, &fd);

	assert_true(comes_ready(fd));
	assert_int_equal(umount(mountpoint), 0);
	assert_int_equal(status_of(pid), 0);
	assert_cold("mode=eager,warm=off", NULL, "\ntier: cold (warm=off)\n");
	assert_cold("mode=cow", NULL, "\ntier: cold (mode=cow)\n");
	assert_cold("mode=eager", &faults,
		    "\ntier: cold (not every page could be had)\n");
}

/* What is not to be had, here a page, is no mount where it must be. */
static void where_it_must_be_it_is_or_nothing(void **state)
{
	const struct null_options faults = {.fail_every = 1,
					    .fail_result = -EREMOTEIO};
	int fd;
	pid_t pid = start_warm(NULL, &fd);

	assert_true(comes_ready(fd));
	assert_int_equal(umount(mountpoint), 0);
	assert_int_equal(status_of(pid), 0);
	pid = start("mode=eager,eager=wait,warm=require", NULL, &fd);
	assert_true(comes_ready(fd));
	assert_true(comes_line("\ntier: warm\n"));
	assert_int_equal(umount(mountpoint), 0);
	assert_int_equal(status_of(pid), 0);
	pid = start("mode=eager,eager=wait,warm=require", &faults, &fd);
	assert_false(comes_ready(fd));
	assert_int_equal(status_of(pid), EREMOTEIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_maps_outlive_the_server),
		cmocka_unit_test(nobody_can_write_it),
		cmocka_unit_test(it_is_there_once_all_is),
		cmocka_unit_test(files_of_areas_are_answered_out_of_it),
		cmocka_unit_test(what_is_cold_says_why),
		cmocka_unit_test(where_it_must_be_it_is_or_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
