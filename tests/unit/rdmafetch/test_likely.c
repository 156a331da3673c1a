/* SPDX-License-Identifier: MIT */
/*
 * test_likely.c - an image in, the runs that a child's start needs out
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>

#include "rdmafetch/likely.h"

#define AT(page) ((uint64_t)(page) << 12)
#define RW	 (PROT_READ | PROT_WRITE)
#define RX	 (PROT_READ | PROT_EXEC)
#define BIG	 (LIKELY_AREA_PAGES + 1)

/* One area, all of it there. */
#define AREA(first, nr, access, what, file)                                    \
	{                                                                      \
		.start = AT(first), .end = AT((first) + (nr)),                 \
		.prot = (access), .kind = (what), .inode = (file)              \
	}

enum { PROGRAM = 1, LIBC, OTHER };

static struct image_vma vmas[] = {
	AREA(100, 40, RX, IMAGE_VMA_FILE, PROGRAM),
	AREA(140, 5, PROT_READ, IMAGE_VMA_FILE, PROGRAM),
	AREA(200, 30, RW, IMAGE_VMA_FILE, OTHER),
	AREA(300, 20, RX, IMAGE_VMA_FILE, OTHER),
	AREA(700, 70, PROT_READ, IMAGE_VMA_FILE, PROGRAM),
	AREA(1000, 200, RX, IMAGE_VMA_FILE, LIBC),
	AREA(2000, 10, RW, IMAGE_VMA_ANON, 0),
	AREA(3000, BIG, RW, IMAGE_VMA_ANON, 0),
	AREA(9000, 50, RW, IMAGE_VMA_ANON, 0), /* RANDOM */
	AREA(9100, 60, RW, IMAGE_VMA_HEAP, 0), /* no pages */
	AREA(9500, 100, RW, IMAGE_VMA_STACK, 0),
	AREA(9700, 2, RX, IMAGE_VMA_VDSO, 0),
};
static struct image_run runs[] = {
	{100, 45},  {200, 30},	 {300, 20},  {700, 70},	  {1000, 200},
	{2000, 10}, {3000, BIG}, {9000, 50}, {9500, 100}, {9700, 2},
};
static struct image_thread thread = {
	.regs = {[REG_RIP_] = AT(1010) + 5,
		 [REG_RSP_] = AT(9530) + 8,
		 [REG_FS_BASE_] = AT(2003)},
};
static struct image image = {
	.vmas = vmas,
	.nr_vmas = sizeof(vmas) / sizeof(*vmas),
	.runs = runs,
	.nr_runs = sizeof(runs) / sizeof(*runs),
	.threads = &thread,
	.nr_threads = 1,
	.mm.start_code = AT(100),
};

static struct likely *open_it(void)
{
	struct likely *likely = NULL;

	vmas[8].flags = IMAGE_VMA_RANDOM;
	assert_int_equal(likely_new(&image, NULL, &likely), 0);
	return likely;
}

static void expect(struct likely *likely, uint64_t first, uint64_t nr)
{
	struct prefetch_run run = likely_next(likely, 64);

	assert_int_equal(run.nr_pages, nr);
	if (nr)
		assert_int_equal(run.first_page, first);
}

/*
 * Stack, code, thread pointer; the program and live code, with a few constants;
 * what is written; more constants.  Each with 16 pages before and behind.
 */
static void expect_all(struct likely *likely)
{
	static const struct prefetch_run want[] = {
		{9530, 64}, {1000, 42}, {2002, 2},  {124, 37},	{100, 56},
		{1000, 64}, {1064, 64}, {1128, 64}, {1192, 24}, {2000, 26},
		{200, 46},  {700, 64},	{764, 22},  {0, 0},
	};

	for (unsigned i = 0; i < sizeof(want) / sizeof(*want); i++)
		expect(likely, want[i].first_page, want[i].nr_pages);
}

static void where_threads_stand_comes_first_then_the_program(void **state)
{
	struct likely *likely = open_it();

	expect_all(likely);
	likely_free(likely);
}

static void an_area_that_was_touched_goes_before_all(void **state)
{
	struct likely *likely = open_it();
	struct prefetch_run touch = {305, 4};

	likely_touched(likely, touch);
	expect(likely, 300, 5);
	expect(likely, 309, 27);
	likely_touched(likely, touch); /* the second time is no news */
	expect_all(likely);
	touch.first_page = 140; /* to its end: only what is before */
	touch.nr_pages = 5;
	likely_touched(likely, touch);
	expect(likely, 124, 16);
	touch.first_page = 1100; /* what is right before, behind, all before */
	touch.nr_pages = 1;
	likely_touched(likely, touch);
	expect(likely, 1068, 32);
	expect(likely, 1101, 64);
	expect(likely, 1165, 51);
	expect(likely, 1000, 64);
	expect(likely, 1064, 4);
	expect(likely, 0, 0);
	likely_free(likely);
}

static void nobody_knows_about_large_and_random_areas_and_holes(void **state)
{
	static const uint64_t pages[] = {3005, 9001, 8000};
	struct likely *likely = open_it();

	for (unsigned i = 0; i < 3; i++)
		likely_touched(likely, (struct prefetch_run){pages[i], 1});
	expect_all(likely);
	likely_free(likely);
}

/* An area may be as large as the address space, and have three pages. */
static void holes_are_passed_over_at_once(void **state)
{
	static struct image_vma sparse[] = {
		AREA(0x1000, 1ull << 32, RW, IMAGE_VMA_ANON, 0),
	};
	static struct image_run far[] = {
		{0x2000, 1}, {0x40000000, 1}, {0xf0000000, 1}};
	const struct image image_of_it = {
		.vmas = sparse, .nr_vmas = 1, .runs = far, .nr_runs = 3};
	struct likely *likely = NULL;

	assert_int_equal(likely_new(&image_of_it, NULL, &likely), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(likely_next(likely, 64).first_page,
				 far[i].first_page);
	expect(likely, 0, 0);
	likely_touched(likely, (struct prefetch_run){0x40000000, 1});
	expect(likely, 0xf0000000, 64);
	expect(likely, 0x2000, 64);
	expect(likely, 0, 0);
	likely_free(likely);
}

static void more_touches_than_are_kept_are_let_go(void **state)
{
	enum { MANY = 200 };
	static struct image_vma many[MANY];
	static struct image_run present[MANY];
	struct image crowd = {.vmas = many,
			      .nr_vmas = MANY,
			      .runs = present,
			      .nr_runs = MANY};
	struct likely *likely = NULL;
	uint64_t pages = 0, nr;

	for (unsigned i = 0; i < MANY; i++) {
		many[i] = (struct image_vma)AREA(100 + i * 10, 4, PROT_READ,
						 IMAGE_VMA_FILE, OTHER);
		present[i] = (struct image_run){100 + i * 10, 4};
	}
	assert_int_equal(likely_new(&crowd, NULL, &likely), 0);
	for (unsigned i = 0; i < MANY; i++)
		likely_touched(likely, (struct prefetch_run){101 + i * 10, 1});
	while ((nr = likely_next(likely, 64).nr_pages))
		pages += nr;
	assert_in_range(pages, 3 * 32, (4 + 2 * 16) * 32);
	likely_free(likely);
}

/* In its order, as far as the image has it, and nothing but that. */
static void what_is_known_is_all_that_is_likely(void **state)
{
	static struct workset_run known_runs[] = {
		{1100, 30}, {2005, 90}, {9090, 5}, {3000, 130}, {1150, 4}};
	const struct workset known = {.nr = 5, .runs = known_runs};
	struct likely *likely = NULL;

	assert_int_equal(likely_new(&image, &known, &likely), 0);
	likely_touched(likely, (struct prefetch_run){205, 1});
	expect(likely, 1100, 30);
	expect(likely, 2005, 64);
	expect(likely, 3000, 64);
	expect(likely, 3064, 64);
	expect(likely, 3128, 2);
	likely_touched(likely, (struct prefetch_run){1005, 1});
	expect(likely, 1150, 4);
	expect(likely, 0, 0);
	likely_free(likely);
}

/* Who recorded single pages had none read around them: others have. */
static void around_single_pages_the_kernel_reads(void **state)
{
	static struct workset_run known_runs[] = {{1100, 1}, {3100, 2}};
	const struct workset known = {.nr = 2, .runs = known_runs};
	struct likely *likely = NULL;

	assert_int_equal(likely_new(&image, &known, &likely), 0);
	expect(likely, 1084, 32);
	expect(likely, 3084, 33);
	expect(likely, 0, 0);
	likely_free(likely);
}

/* Or nearly none: a run begins with what is new. */
static void what_is_known_comes_once(void **state)
{
	static struct workset_run known_runs[] = {
		{1100, 30}, {1110, 40}, {1100, 30}, {3000, 20}, {2990, 40}};
	const struct workset known = {.nr = 5, .runs = known_runs};
	struct likely *likely = NULL;

	assert_int_equal(likely_new(&image, &known, &likely), 0);
	expect(likely, 1100, 30);
	expect(likely, 1130, 20);
	expect(likely, 3000, 20);
	expect(likely, 3020, 10);
	expect(likely, 0, 0);
	likely_free(likely);
}

static uint64_t count_pages(struct likely *likely)
{
	uint64_t pages = 0;
	struct prefetch_run run;

	do {
		run = likely_next(likely, 64);
		pages += image_present_pages(&image, run.first_page,
					     run.nr_pages);
	} while (run.nr_pages);
	return pages;
}

/* Each begins one page before the last one: there is always something new. */
static void a_set_without_end_ends(void **state)
{
	static struct workset_run known_runs[130];
	const struct workset known = {.nr = 130, .runs = known_runs};
	uint64_t all = image_present_pages(&image, 0, 1ull << 40);
	struct likely *likely = NULL;

	for (uint32_t i = 0; i < 130; i++)
		known_runs[i] =
			(struct workset_run){3129 - i, (uint32_t)(1u << 30)};
	assert_int_equal(likely_new(&image, &known, &likely), 0);
	assert_in_range(count_pages(likely), 130, 3 * all);
	likely_free(likely);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			where_threads_stand_comes_first_then_the_program),
		cmocka_unit_test(an_area_that_was_touched_goes_before_all),
		cmocka_unit_test(
			nobody_knows_about_large_and_random_areas_and_holes),
		cmocka_unit_test(what_is_known_is_all_that_is_likely),
		cmocka_unit_test(around_single_pages_the_kernel_reads),
		cmocka_unit_test(what_is_known_comes_once),
		cmocka_unit_test(a_set_without_end_ends),
		cmocka_unit_test(holes_are_passed_over_at_once),
		cmocka_unit_test(more_touches_than_are_kept_are_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
