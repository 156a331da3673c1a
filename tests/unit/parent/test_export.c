/* SPDX-License-Identifier: MIT */
/*
 * test_export.c - which ranges of an image are lent, page by page
 */
#include "tests/unit/parent/cmocka_env.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/page.h"
#include "parent/export.h"

#define RW	  (PROT_READ | PROT_WRITE)
#define FAR_PAGES 100000u

static const struct export_limits wide = {.ranges_max = 1000,
					  .pages_max = 1ull << 40};

struct area {
	uint64_t first_page, end_page;
	enum image_vma_kind kind;
	uint32_t prot, flags;
};

/* An image of these areas and runs, which all stay the caller's. */
struct model {
	struct image_vma vmas[16];
	struct image image;
	struct image_run *ranges;
	uint32_t nr;
};

static void set_areas(struct model *model, const struct area *areas, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		model->vmas[i] = (struct image_vma){
			.start = areas[i].first_page << PAGE_SHIFT,
			.end = areas[i].end_page << PAGE_SHIFT,
			.kind = areas[i].kind,
			.prot = areas[i].prot,
			.flags = areas[i].flags,
		};
	model->image.vmas = model->vmas;
	model->image.nr_vmas = (uint32_t)nr;
}

static void plan(struct model *model, struct image_run *runs, size_t nr,
		 const struct export_limits *limits)
{
	const struct export_origin origin = {.image = &model->image};

	model->image.runs = runs;
	model->image.nr_runs = (uint32_t)nr;
	assert_int_equal(
		export_plan(&origin, limits, &model->ranges, &model->nr), 0);
}

static void assert_ranges(struct model *model, const struct image_run *want,
			  size_t nr)
{
	assert_int_equal(model->nr, nr);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(model->ranges[i].first_page,
				 want[i].first_page);
		assert_int_equal(model->ranges[i].nr_pages, want[i].nr_pages);
	}
	free(model->ranges);
	model->ranges = NULL;
}

#define SET_AREAS(model, areas)                                                \
	set_areas(model, areas, sizeof(areas) / sizeof(*(areas)))
#define PLAN(model, runs, limits)                                              \
	plan(model, runs, sizeof(runs) / sizeof(*(runs)), limits)
#define ASSERT_RANGES(model, ...)                                              \
	do {                                                                   \
		const struct image_run want_[] = {__VA_ARGS__};                \
		assert_ranges(model, want_, sizeof(want_) / sizeof(*want_));   \
	} while (0)

/* Each area has all its pages, with a page between it and the next. */
static void only_what_can_be_read_there(void **state)
{
	static const struct area areas[] = {
		{10, 12, IMAGE_VMA_ANON, RW, 0},
		{20, 22, IMAGE_VMA_ANON, PROT_NONE, 0},
		{30, 32, IMAGE_VMA_ANON, PROT_WRITE, 0},
		{40, 42, IMAGE_VMA_HEAP, RW, 0},
		{50, 52, IMAGE_VMA_STACK, RW, 0},
		{60, 62, IMAGE_VMA_FILE, PROT_READ | PROT_EXEC, 0},
		{70, 72, IMAGE_VMA_FILE, PROT_READ, IMAGE_VMA_SHARED_MAP},
		{80, 82, IMAGE_VMA_SHARED, RW, IMAGE_VMA_SHARED_MAP},
		{90, 92, IMAGE_VMA_ANON, RW, IMAGE_VMA_HUGETLB},
		{100, 102, IMAGE_VMA_VDSO, PROT_READ, 0},
		{110, 112, IMAGE_VMA_VVAR, PROT_READ, 0},
		{120, 122, IMAGE_VMA_VSYSCALL, PROT_EXEC, 0},
		{130, 132, IMAGE_VMA_ANON, RW, IMAGE_VMA_DONTFORK},
	};
	struct image_run runs[13];
	struct model model;

	(void)state;
	for (unsigned i = 0; i < 13; i++)
		runs[i] = (struct image_run){10 + 10 * i, 2};
	SET_AREAS(&model, areas);
	PLAN(&model, runs, &wide);
	ASSERT_RANGES(&model, {10, 2}, {40, 2}, {50, 2}, {60, 2}, {130, 2});
}

/* A run may span neighbours, of which one is closed. */
static void neighbours_are_one_range(void **state)
{
	static const struct area areas[] = {
		{10, 20, IMAGE_VMA_FILE, PROT_READ, 0},
		{20, 30, IMAGE_VMA_FILE, PROT_READ | PROT_EXEC, 0},
		{30, 40, IMAGE_VMA_ANON, PROT_NONE, 0},
		{40, 50, IMAGE_VMA_ANON, RW, 0},
		{50, 60, IMAGE_VMA_STACK, RW, 0},
	};
	struct image_run runs[] = {{10, 50}};
	struct model model;

	(void)state;
	SET_AREAS(&model, areas);
	PLAN(&model, runs, &wide);
	ASSERT_RANGES(&model, {10, 20}, {40, 20});
}

/* The end of a file's map, past the file, has no pages: a READ would fail. */
static void holes_of_files_are_not_lent(void **state)
{
	static const struct area areas[] = {
		{10, 20, IMAGE_VMA_FILE, PROT_READ, 0},
		{20, 30, IMAGE_VMA_ANON, RW, 0},
	};
	struct image_run runs[] = {{10, 2}, {18, 1}, {21, 1}, {23, 1}};
	struct model model;

	(void)state;
	SET_AREAS(&model, areas);
	PLAN(&model, runs, &wide);
	ASSERT_RANGES(&model, {10, 2}, {18, 1}, {21, 3});
}

static void no_hole_is_lent_across_areas(void **state)
{
	static const struct area areas[] = {
		{10, 20, IMAGE_VMA_ANON, RW, 0},
		{20, 30, IMAGE_VMA_ANON, PROT_NONE, 0},
		{30, 40, IMAGE_VMA_ANON, RW, 0},
		{40, 50, IMAGE_VMA_ANON, RW, IMAGE_VMA_WIPEONFORK},
		{50, 60, IMAGE_VMA_ANON, RW, 0},
	};
	struct image_run runs[] = {{10, 1}, {18, 1}, {39, 1}, {51, 1}};
	struct model model;

	(void)state;
	SET_AREAS(&model, areas);
	PLAN(&model, runs, &wide);
	ASSERT_RANGES(&model, {10, 9}, {39, 1}, {51, 1});
}

static void large_holes_are_not_lent(void **state)
{
	static const struct area areas[] = {
		{10, 10 + 5 * FAR_PAGES, IMAGE_VMA_ANON, RW, 0},
	};
	struct image_run runs[] = {{10, 1}, {100, 1}, {FAR_PAGES, 3}};
	struct model model;

	(void)state;
	SET_AREAS(&model, areas);
	PLAN(&model, runs, &wide);
	ASSERT_RANGES(&model, {10, 91}, {FAR_PAGES, 3});
}

/* A page in each 2 MiB: joined, that would be 512 times the tables. */
static void many_holes_are_not_worth_it(void **state)
{
	static const struct area areas[] = {
		{0, 512 * 1000, IMAGE_VMA_ANON, RW, 0},
	};
	struct image_run runs[1000];
	struct model model;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		runs[i] = (struct image_run){512 * i, 1};
	SET_AREAS(&model, areas);
	PLAN(&model, runs, &wide);
	assert_int_equal(model.nr, 1000);
	assert_int_equal(model.ranges[7].nr_pages, 1);
	free(model.ranges);
}

/* What the copies of the pause hold is theirs, whatever the area says. */
static void copies_are_cut_out(void **state)
{
	static const struct area areas[] = {
		{10, 30, IMAGE_VMA_FILE, PROT_READ, 0},
	};
	const struct image_run copies[] = {{8, 4}, {15, 1}, {28, 9}};
	struct image_run runs[] = {{10, 20}};
	struct model model;
	const struct export_origin origin = {&model.image, copies, 3};

	(void)state;
	SET_AREAS(&model, areas);
	model.image.runs = runs;
	model.image.nr_runs = 1;
	assert_int_equal(export_plan(&origin, &wide, &model.ranges, &model.nr),
			 0);
	ASSERT_RANGES(&model, {12, 3}, {16, 12});
}

static void the_largest_are_kept(void **state)
{
	static const struct area areas[] = {
		{0, 1000, IMAGE_VMA_FILE, PROT_READ, 0},
	};
	const struct export_limits two = {2, 1000}, few = {9, 12};
	struct image_run runs[] = {{0, 5}, {100, 2}, {200, 10}, {300, 1}};
	struct model model;

	(void)state;
	SET_AREAS(&model, areas);
	PLAN(&model, runs, &two);
	ASSERT_RANGES(&model, {0, 5}, {200, 10});
	PLAN(&model, runs, &few);
	ASSERT_RANGES(&model, {100, 2}, {200, 10});
}

static void nothing_is_no_table(void **state)
{
	static const struct area areas[] = {
		{10, 20, IMAGE_VMA_SHARED, RW, IMAGE_VMA_SHARED_MAP},
	};
	struct image_run runs[] = {{10, 10}};
	struct model model;

	(void)state;
	SET_AREAS(&model, areas);
	PLAN(&model, runs, &wide);
	assert_int_equal(model.nr, 0);
	assert_null(model.ranges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_can_be_read_there),
		cmocka_unit_test(neighbours_are_one_range),
		cmocka_unit_test(holes_of_files_are_not_lent),
		cmocka_unit_test(no_hole_is_lent_across_areas),
		cmocka_unit_test(large_holes_are_not_lent),
		cmocka_unit_test(many_holes_are_not_worth_it),
		cmocka_unit_test(copies_are_cut_out),
		cmocka_unit_test(the_largest_are_kept),
		cmocka_unit_test(nothing_is_no_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
