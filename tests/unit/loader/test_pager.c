/* SPDX-License-Identifier: MIT */
/* The pager: every way to change memory, in a child with one thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pager_child.h"

/* ---- one thread ---- */

static void all_pages_are_the_images(void **state)
{
	static const unsigned batches[] = {1, 16, 64, 7};
	struct run run = {0};

	for (size_t i = 0; i < 4; i++) {
		run.batch_pages = batches[i];
		passes(&run, read_everything);
		assert_int_equal(run.stats.copied_pages,
				 A_PAGES / 2 + B_BYTES / PAGE / B_EVERY);
	}
	assert_true(run.stats.faults < A_PAGES);
}

static int drop_untouched(void)
{
	check(!madvise((void *)(A + 4 * PAGE), 32 * PAGE, MADV_DONTNEED),
	      "drop");
	for (uint64_t i = 4; i < 36; i++)
		check(is_zero(A + i * PAGE), "dropped before it was touched");
	check(is_image(A + 3 * PAGE, A + 3 * PAGE), "page before");
	check(is_image(A + 36 * PAGE, A + 36 * PAGE), "page behind");
	*at(A + 48 * PAGE) = 1;
	(void)madvise((void *)(A + 48 * PAGE), PAGE, MADV_DONTNEED);
	check(is_zero(A + 48 * PAGE), "dropped after it was written");
	check(is_image(A + 49 * PAGE, A + 49 * PAGE), "its neighbour");
	(void)madvise((void *)B, B_BYTES, MADV_DONTNEED);
	check(is_zero(B) && is_zero(B + B_EVERY * PAGE), "all of B");
	return 0;
}

static void dropped_pages_are_zero(void **state)
{
	struct run run = {0};

	passes(&run, drop_untouched);
	assert_true(run.stats.events >= 3);
}

static int map_again(void)
{
	void *there = (void *)(A + 16 * PAGE);

	(void)munmap(there, 16 * PAGE);
	check(mmap(there, 16 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == there,
	      "map");
	for (uint64_t i = 16; i < 32; i++)
		check(is_zero(A + i * PAGE), "mapped again");
	check(is_image(A + 32 * PAGE, A + 32 * PAGE), "page behind");
	return 0;
}

static void new_maps_are_zero(void **state)
{
	struct run run = {0};

	passes(&run, map_again);
}

static int move_about(void)
{
	uint64_t to = 0x220000000000ul, part = A + 64 * PAGE;
	uint64_t a, i;

	/* A part moves away, grows there, and comes back smaller. */
	a = (uint64_t)mremap((void *)part, 64 * PAGE, 128 * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to);
	check(a == to, "move and grow");
	for (i = 0; i < 64; i += 3)
		check(is_image(to + i * PAGE, part + i * PAGE), "moved");
	for (i = 64; i < 128; i += 5)
		check(is_zero(to + i * PAGE), "grown");
	(void)madvise((void *)(to + 17 * PAGE), PAGE, MADV_DONTNEED);
	check(is_zero(to + 17 * PAGE), "dropped at the new place");
	a = (uint64_t)mremap((void *)to, 128 * PAGE, 32 * PAGE, 0);
	a = (uint64_t)mremap((void *)a, 32 * PAGE, 64 * PAGE, 0);
	check(a == to, "shrink and grow");
	check(is_image(to + PAGE, part + PAGE), "kept");
	for (i = 32; i < 64; i++)
		check(is_zero(to + i * PAGE), "regrown");
	return 0;
}

static int leave_copy(void)
{
	uint64_t part = A + 256 * PAGE, i;
	uint64_t to = (uint64_t)mremap((void *)part, 64 * PAGE, 64 * PAGE,
				       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);

	check(to != (uint64_t)MAP_FAILED, "DONTUNMAP");
	for (i = 0; i < 64; i++)
		check(is_image(to + i * PAGE, part + i * PAGE), "moved away");
	for (i = 0; i < 64; i++)
		check(is_zero(part + i * PAGE), "left behind");
	return 0;
}

static void moved_pages_keep_their_bytes(void **state)
{
	struct run run = {0};

	passes(&run, move_about);
	passes(&run, leave_copy);
}

/* Faults of the kernel on the child's behalf, and of its other protections. */
static int by_kernel(void)
{
	uint64_t word;
	int pipes[2];

	if (pipe(pipes))
		return 126;
	check(write(pipes[1], (void *)(A + 160 * PAGE), 8) == 8, "write");
	check(read(pipes[0], &word, 8) == 8 && word == word_of(A + 160 * PAGE),
	      "its word");
	check(write(pipes[1], "abcdefg", 8) == 8 &&
		      read(pipes[0], (void *)(A + 176 * PAGE), 8) == 8,
	      "read");
	check(*at(A + 176 * PAGE + 8) == word_of(A + 176 * PAGE), "its rest");
	(void)mprotect((void *)(A + 195 * PAGE), PAGE, PROT_READ);
	check(is_image(A + 194 * PAGE, A + 194 * PAGE), "before the cut");
	check(is_image(A + 195 * PAGE, A + 195 * PAGE), "read-only");
	check(is_image(A + 196 * PAGE, A + 196 * PAGE), "behind the cut");
	return 0;
}

static void the_kernel_faults_too(void **state)
{
	struct run run = {0};

	passes(&run, by_kernel);
}

#define GUARD_INSTALL 102 /* MADV_GUARD_*: Linux 6.13 */

/* Writes on and on, and the pages that they ask for are around a fence. */
static int write_around(void)
{
	int pipes[2];

	if (pipe(pipes))
		return 126;
	if (madvise((void *)FENCE, PAGE, GUARD_INSTALL))
		return 0;
	for (uint64_t i = 8; i < 16; i++)
		if (A + i * PAGE != FENCE)
			*at(A + i * PAGE) = i;
	check(write(pipes[1], (void *)FENCE, 8) < 0 && errno == EFAULT,
	      "the guard region is gone");
	(void)madvise((void *)FENCE, PAGE, GUARD_INSTALL + 1);
	check(is_zero(FENCE), "removed");
	check(*at(FENCE - PAGE) == 12 && *at(FENCE + PAGE) == 14, "beside it");
	return 0;
}

static void guard_regions_of_the_image_stay(void **state)
{
	static const unsigned batches[] = {1, 2, 3, 4, 16};
	struct run run = {.push = true};

	fenced = true;
	for (size_t i = 0; i < 5; i++) {
		run.batch_pages = batches[i];
		passes(&run, write_around);
	}
	fenced = false;
}

/* ---- pushing, and what is complete ---- */

static int wait_and_see(void)
{
	for (int i = 0; i < 5000; i++) {
		struct timespec ms = {.tv_nsec = 1000000};
		unsigned char there = 0;

		(void)mincore((void *)(A + (A_PAGES - 16) * PAGE), PAGE,
			      &there);
		if (there & 1)
			break;
		(void)nanosleep(&ms, NULL);
	}
	(void)read_everything();
	(void)madvise((void *)A, A_PAGES * PAGE, MADV_DONTNEED);
	for (uint64_t i = 0; i < A_PAGES; i++)
		check(is_zero(A + i * PAGE), "dropped when complete");
	return 0;
}

static void pushed_areas_are_given_back(void **state)
{
	struct run run = {.push = true};

	passes(&run, wait_and_see);
	assert_true(run.stats.pushed_pages > 0);
	assert_true(run.stats.given_back > 0);
	assert_true(run.stats.faults < A_PAGES / 2);
}

/* Who serves others has each batch for itself. */
static void what_is_let_go_comes_in_batches(void **state)
{
	struct run run = {.batch_pages = 16, .push = true, .let_go = true};

	passes(&run, wait_and_see);
	assert_true(run.stats.pushed_pages > 16);
	assert_in_range(run.most_pages, 1, 16);
}

/* A map that has grown is never half given back. */
static int grow_then_finish(void)
{
	uint64_t a = (uint64_t)mremap((void *)A, A_PAGES * PAGE,
				      (A_PAGES + 64) * PAGE, 0);

	check(a == A, "grow in place");
	(void)read_everything();
	check(is_zero(A + (A_PAGES + 3) * PAGE), "its tail");
	a = (uint64_t)mremap((void *)A, (A_PAGES + 64) * PAGE,
			     (A_PAGES + 128) * PAGE, MREMAP_MAYMOVE);
	check(a != (uint64_t)MAP_FAILED, "grow again, as one");
	check(is_image(a, A) && is_zero(a + (A_PAGES + 100) * PAGE),
	      "its bytes");
	return 0;
}

static void grown_maps_stay_whole(void **state)
{
	struct run run = {0};

	passes(&run, grow_then_finish);
}

/* ---- what must not go on ---- */

static int read_last(void)
{
	(void)*at(A);
	(void)*at(A + (A_PAGES - 16) * PAGE);
	return 0;
}

static void a_page_that_cannot_be_had_is_an_error(void **state)
{
	struct run run = {.fail_offset = (int)(A - SHIFT + 64 * PAGE)};

	run_child(&run, read_last);
	assert_int_equal(run.served, -ENODATA);
	assert_true(WIFSIGNALED(run.status));
}

static void areas_are_checked(void **state)
{
	struct pager_area areas[2] = {{A, A + PAGE, -1, 0},
				      {A, A + 2 * PAGE, -1, 0}};
	struct image *image = image_new();
	struct pager_options options = {image, areas, 2, 16};
	struct pager *pager;

	assert_int_equal(pager_open(-1, &options, &pager), -EINVAL);
	areas[1].start = A + PAGE + 1;
	assert_int_equal(pager_open(-1, &options, &pager), -EINVAL);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(areas_are_checked),
		cmocka_unit_test(all_pages_are_the_images),
		cmocka_unit_test(dropped_pages_are_zero),
		cmocka_unit_test(new_maps_are_zero),
		cmocka_unit_test(moved_pages_keep_their_bytes),
		cmocka_unit_test(the_kernel_faults_too),
		cmocka_unit_test(guard_regions_of_the_image_stay),
		cmocka_unit_test(pushed_areas_are_given_back),
		cmocka_unit_test(what_is_let_go_comes_in_batches),
		cmocka_unit_test(grown_maps_stay_whole),
		cmocka_unit_test(a_page_that_cannot_be_had_is_an_error),
	};
	int fd = pager_userfaultfd();

	if (fd < 0) {
		(void)fprintf(stderr, "userfaultfd: %s\n", strerror(-fd));
		return fd == -EPERM || fd == -ENOSYS ? 77 : 1;
	}
	(void)close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
