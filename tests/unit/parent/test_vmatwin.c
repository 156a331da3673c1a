/* SPDX-License-Identifier: MIT */
/*
 * test_vmatwin.c - a real fork's areas, with the flags that fork() takes away
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/page.h"
#include "parent/vmas.h"
#include "parent/vmatwin.h"
#include "tests/unit/parent/victim.h"

static struct image *image_with(const char *text)
{
	struct image *image = image_new();

	assert_non_null(image);
	assert_int_equal(vmas_parse(text, strlen(text), &image->vmas,
				    &image->nr_vmas, NULL),
			 0);
	return image;
}

#define BEFORE                                                                 \
	"10000-20000 rw-p 0 00:00 0 \nVmFlags: rd wr\n"                        \
	"20000-30000 rw-p 0 00:00 0 \nVmFlags: rd wr dc hg\n"                  \
	"30000-40000 rw-p 0 00:00 0 \nVmFlags: rd wr dc lo\n"                  \
	"50000-60000 rw-p 5000 fd:00 9 /x\nVmFlags: rd wr lo\n"

/* [start, end) and flags of one row. */
static void assert_row(const struct image *image, uint32_t i, uint64_t start,
		       uint64_t end, uint32_t flags)
{
	assert_true(i < image->nr_vmas);
	assert_int_equal(image->vmas[i].start, start);
	assert_int_equal(image->vmas[i].end, end);
	assert_int_equal(image->vmas[i].flags, flags);
}

static void joined_areas_become_several_again(void **state)
{
	struct image *before = image_with(BEFORE);
	struct image *twin = image_with(
		"10000-48000 rw-p 0 00:00 0 \n"
		"50000-60000 rw-p 5000 fd:00 9 /x\n");

	assert_int_equal(
		vmatwin_carry_flags(twin, before->vmas, before->nr_vmas), 0);
	assert_int_equal(twin->nr_vmas, 5);
	assert_row(twin, 0, 0x10000, 0x20000, 0);
	assert_row(twin, 1, 0x20000, 0x30000, IMAGE_VMA_DONTFORK);
	assert_row(twin, 2, 0x30000, 0x40000,
		   IMAGE_VMA_DONTFORK | IMAGE_VMA_LOCKED);
	/* Grown meanwhile: nothing is known of it, so nothing is added. */
	assert_row(twin, 3, 0x40000, 0x48000, 0);
	assert_row(twin, 4, 0x50000, 0x60000, IMAGE_VMA_LOCKED);
	assert_int_equal(twin->vmas[4].offset_bytes, 0x5000);
	image_free(before);
	image_free(twin);
}

static void a_cut_file_keeps_its_offsets(void **state)
{
	struct image *before =
		image_with("10000-20000 rw-p 0 fd:00 9 /x\nVmFlags: lo\n");
	struct image *twin = image_with("10000-30000 rw-p 0 fd:00 9 /x\n");

	assert_int_equal(
		vmatwin_carry_flags(twin, before->vmas, before->nr_vmas), 0);
	assert_int_equal(twin->nr_vmas, 2);
	assert_row(twin, 0, 0x10000, 0x20000, IMAGE_VMA_LOCKED);
	assert_int_equal(twin->vmas[1].offset_bytes, 0x10000);
	assert_string_equal(twin->vmas[1].name, "/x");
	image_free(before);
	image_free(twin);
}

static uint8_t *area; /* four pages */

static void add_an_area(void *arg)
{
	(void)mmap(NULL, 64 * PAGE_BYTES, PROT_READ, MAP_SHARED | MAP_ANONYMOUS,
		   -1, 0);
}

static void change_nothing(void *arg)
{
}

static const struct image_vma *find(const struct image *image, const void *at)
{
	return image_vma_at(image, (uintptr_t)at);
}

static struct image *twin_of(void (*setup)(void *arg), struct image *before)
{
	struct image *twin = image_new();
	pid_t pid;

	assert_int_equal(
		vmas_read(getpid(), &before->vmas, &before->nr_vmas, NULL), 0);
	pid = victim_start(setup, NULL);
	assert_true(pid > 0);
	assert_int_equal(
		vmatwin_read(pid, before->vmas, before->nr_vmas, twin, NULL),
		0);
	victim_end(pid);
	return twin;
}

/* Both by the short way and by smaps. */
static void a_fork_has_its_parents_flags(void **state)
{
	void (*const setups[])(void *) = {change_nothing, add_an_area};

	area = mmap(NULL, 4 * PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* The sanitizers make mlock() do nothing. */
	assert_int_equal(syscall(SYS_mlock, area, PAGE_BYTES), 0);
	assert_int_equal(
		madvise(area + 3 * PAGE_BYTES, PAGE_BYTES, MADV_WIPEONFORK), 0);
	for (int i = 0; i < 2; i++) {
		struct image *before = image_new();
		struct image *twin = twin_of(setups[i], before);

		assert_true(find(twin, area)->flags & IMAGE_VMA_LOCKED);
		assert_int_equal(find(twin, area)->end,
				 (uintptr_t)area + PAGE_BYTES);
		assert_false(find(twin, area + PAGE_BYTES)->flags &
			     IMAGE_VMA_LOCKED);
		assert_true(find(twin, area + 3 * PAGE_BYTES)->flags &
			    IMAGE_VMA_WIPEONFORK);
		assert_int_equal(find(twin, &twin)->kind, IMAGE_VMA_STACK);
		image_free(before);
		image_free(twin);
	}
	(void)munmap(area, 4 * PAGE_BYTES);
}

static void nobody_is_esrch(void **state)
{
	struct image *image = image_new();

	assert_int_equal(vmatwin_read(1 << 23, NULL, 0, image, NULL), -ESRCH);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joined_areas_become_several_again),
		cmocka_unit_test(a_cut_file_keeps_its_offsets),
		cmocka_unit_test(a_fork_has_its_parents_flags),
		cmocka_unit_test(nobody_is_esrch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
