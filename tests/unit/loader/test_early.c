/* SPDX-License-Identifier: MIT */
/*
 * test_early.c - what is asked for before a child is made
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "common/page.h"
#include "loader/early.h"

#define SPACE_FD 77
#define STACK	 UINT64_C(0x7ffe00000000)
#define STACK_KB 1024
#define TLS	 UINT64_C(0x7f0000001000)
#define HEAP	 UINT64_C(0x10000)

/* "PAGE+PAGES " of each call. */
static char asked[1024];

ssize_t __wrap_readahead(int fd, off64_t offset, size_t count);

ssize_t __wrap_readahead(int fd, off64_t offset, size_t count)
{
	size_t len = strlen(asked);

	assert_int_equal(fd, SPACE_FD);
	(void)snprintf(asked + len, sizeof(asked) - len, "%llx+%zx ",
		       (unsigned long long)page_of((uint64_t)offset),
		       count / PAGE_BYTES);
	return 0;
}

static struct image_vma areas[] = {
	{.start = HEAP, .end = HEAP + 0x10000, .kind = IMAGE_VMA_HEAP},
	{.start = TLS, .end = TLS + 0x2000, .kind = IMAGE_VMA_ANON},
	{.start = STACK,
	 .end = STACK + (STACK_KB << 10),
	 .kind = IMAGE_VMA_STACK},
};

static struct image_thread threads[9] = {
	{.regs = {[REG_FS_BASE_] = TLS + 0x1234}},
	{.regs = {[REG_FS_BASE_] = 0x666000}}, /* in no area */
};

static bool is_warm;

static const char *ask(struct image_run *runs, uint32_t nr_runs, int space)
{
	struct image image = {
		.vmas = areas,
		.nr_vmas = 3,
		.threads = threads,
		.nr_threads = 9,
		.runs = runs,
		.nr_runs = nr_runs,
	};
	const struct imagedir dir = {
		.space = space, .is_warm = is_warm, .image = &image};

	asked[0] = '\0';
	early_ask(&dir);
	return asked;
}

static void the_stack_and_the_thread_pointers_page(void **state)
{
	struct image_run runs[] = {
		{page_of(HEAP), 2},
		{page_of(TLS), 2},
		{page_of(STACK) + 0xe0, 4},
		{page_of(STACK) + 0xf0, 2},
	};

	assert_string_equal(ask(runs, 4, SPACE_FD),
			    "7ffe000e0+4 7ffe000f0+2 7f0000002+1 ");
}

static void no_more_than_the_top_of_a_large_stack(void **state)
{
	struct image_run runs[] = {{page_of(STACK), 0x100}};

	assert_string_equal(ask(runs, 1, SPACE_FD),
			    "7ffe00080+20 7ffe000a0+20 7ffe000c0+20 "
			    "7ffe000e0+20 7f0000002+1 ");
}

static void nothing_of_an_image_in_many_files(void **state)
{
	struct image_run runs[] = {{page_of(STACK), 0x100}};

	assert_string_equal(ask(runs, 1, -1), "");
}

static void nothing_of_one_that_is_here(void **state)
{
	struct image_run runs[] = {{page_of(STACK), 0x100}};

	is_warm = true;
	assert_string_equal(ask(runs, 1, SPACE_FD), "");
	is_warm = false;
}

static void no_more_than_eight_threads(void **state)
{
	struct image_run runs[] = {{page_of(HEAP), 1}};

	for (size_t i = 1; i < 9; i++)
		threads[i].regs[REG_FS_BASE_] = HEAP + i * PAGE_BYTES;
	assert_string_equal(ask(runs, 1, SPACE_FD),
			    "7f0000002+1 11+1 12+1 13+1 14+1 15+1 16+1 17+1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stack_and_the_thread_pointers_page),
		cmocka_unit_test(no_more_than_the_top_of_a_large_stack),
		cmocka_unit_test(nothing_of_an_image_in_many_files),
		cmocka_unit_test(nothing_of_one_that_is_here),
		cmocka_unit_test(no_more_than_eight_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
