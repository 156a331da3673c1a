/* SPDX-License-Identifier: MIT */
/*
 * test_order.c - what was written comes first, each page once
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>

#include "rdmafetch/order.h"

#define AT(page) ((uint64_t)(page) << 12)

static void written_areas_come_first(void **state)
{
	struct image_vma vmas[] = {
		{.start = AT(10),
		 .end = AT(20),
		 .prot = PROT_READ,
		 .kind = IMAGE_VMA_FILE},
		{.start = AT(20),
		 .end = AT(30),
		 .prot = PROT_READ | PROT_WRITE,
		 .kind = IMAGE_VMA_FILE},
		{.start = AT(30),
		 .end = AT(40),
		 .prot = PROT_READ | PROT_WRITE,
		 .kind = IMAGE_VMA_ANON},
		{.start = AT(50),
		 .end = AT(60),
		 .prot = PROT_READ | PROT_WRITE,
		 .kind = IMAGE_VMA_HEAP},
		{.start = AT(60),
		 .end = AT(70),
		 .prot = PROT_READ | PROT_WRITE,
		 .kind = IMAGE_VMA_ANON}, /* no pages */
		{.start = AT(90),
		 .end = AT(99),
		 .prot = PROT_READ | PROT_WRITE,
		 .kind = IMAGE_VMA_STACK},
	};
	struct image_run present[] = {{10, 30}, {55, 2}, {95, 4}};
	const struct image image = {
		.vmas = vmas, .nr_vmas = 6, .runs = present, .nr_runs = 3};
	static const struct prefetch_run want[] = {
		{50, 10}, {90, 9}, {20, 20}, {10, 10}};
	struct prefetch_run *runs;
	unsigned nr;

	assert_int_equal(order_all(&image, &runs, &nr), 0);
	assert_int_equal(nr, 4);
	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(runs[i].first_page, want[i].first_page);
		assert_int_equal(runs[i].nr_pages, want[i].nr_pages);
	}
	free(runs);
}

static void a_workset_keeps_its_order(void **state)
{
	struct workset_run faults[] = {{500, 2}, {100, 7}, {300, 1}};
	const struct workset set = {.nr = 3, .runs = faults};
	struct prefetch_run *runs;
	unsigned nr;

	assert_int_equal(order_workset(&set, &runs, &nr), 0);
	assert_int_equal(nr, 3);
	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(runs[i].first_page, faults[i].first_page);
		assert_int_equal(runs[i].nr_pages, faults[i].nr_pages);
	}
	free(runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_areas_come_first),
		cmocka_unit_test(a_workset_keeps_its_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
