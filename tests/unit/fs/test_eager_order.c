/* SPDX-License-Identifier: MIT */
/*
 * test_eager_order.c - all of an image crosses the network in the order of
 * order.h, each page once, and no hole
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/mman.h>

#include "common/page.h"
#include "fs/eager.h"
#include "rdmafetch/order.h"
#include "tests/contract/gate.h"

#define BASE 0x10000u /* pages */
#define AREA(at, nr, access, what)                                             \
	{                                                                      \
		.start = (uint64_t)(BASE + (at)) << PAGE_SHIFT,                \
		.end = (uint64_t)(BASE + (at) + (nr)) << PAGE_SHIFT,           \
		.prot = (access), .kind = (what)                               \
	}

static struct image_vma vmas[] = {
	AREA(0, 64, PROT_READ, IMAGE_VMA_FILE),
	AREA(64, 64, PROT_READ | PROT_WRITE, IMAGE_VMA_FILE),
	AREA(200, 64, PROT_READ | PROT_WRITE, IMAGE_VMA_HEAP),
	AREA(300, 64, PROT_READ, IMAGE_VMA_ANON),
	AREA(400, 64, PROT_READ | PROT_WRITE, IMAGE_VMA_ANON),
	AREA(500, 64, PROT_READ | PROT_WRITE, IMAGE_VMA_STACK),
};

/* Holes between areas, at their ends, and inside the heap. */
static struct image_run present[] = {
	{BASE + 0, 128}, {BASE + 200, 10}, {BASE + 240, 4},
	{BASE + 310, 2}, {BASE + 400, 64}, {BASE + 560, 4},
};

/* As they must come: the heap, the stack; what can be written; the rest. */
static const struct image_run wanted[] = {
	{BASE + 200, 10}, {BASE + 240, 4}, {BASE + 560, 4}, {BASE + 64, 64},
	{BASE + 400, 64}, {BASE + 0, 64},  {BASE + 310, 2},
};

#define NR_WANTED (sizeof(wanted) / sizeof(wanted[0]))

static const struct image image = {
	.vmas = vmas,
	.nr_vmas = sizeof(vmas) / sizeof(vmas[0]),
	.runs = present,
	.nr_runs = sizeof(present) / sizeof(present[0]),
};

static int sink(void *arg, uint64_t first_page, uint64_t nr_pages,
		const void *buf)
{
	return 0;
}

struct end {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int is_over, result;
};

static void over(void *arg, int result)
{
	struct end *end = arg;

	(void)pthread_mutex_lock(&end->lock);
	end->is_over = 1;
	end->result = result;
	(void)pthread_cond_signal(&end->wake);
	(void)pthread_mutex_unlock(&end->lock);
}

static void wait_end(struct end *end)
{
	(void)pthread_mutex_lock(&end->lock);
	while (!end->is_over)
		(void)pthread_cond_wait(&end->wake, &end->lock);
	(void)pthread_mutex_unlock(&end->lock);
	assert_int_equal(end->result, 0);
}

static void check_reads(struct gate *gate)
{
	assert_int_equal(gate_nr(gate), NR_WANTED);
	for (unsigned i = 0; i < NR_WANTED; i++) {
		struct transport_read read = gate_read(gate, i);

		assert_int_equal(page_of(read.raddr), wanted[i].first_page);
		assert_int_equal(page_of(read.len_bytes), wanted[i].nr_pages);
	}
}

static void what_was_written_crosses_first(void **state)
{
	struct end end = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
	struct transport *transport = gate_new(true);
	struct gate *gate = gate_of(transport);
	const struct fetch_options fetch_options = {
		.image = &image, .timeout_ms = 10000, .tries = 3, .sink = sink};
	struct eager_options options = {.image = &image,
					.is_all = 1,
					.space_path = "/",
					.done = over,
					.arg = &end};
	struct prefetch_run *runs;
	struct eager *eager;

	gate_let(gate, GATE_ALL, 0);
	assert_int_equal(fetch_open(transport, &fetch_options, &options.fetch),
			 0);
	assert_int_equal(order_all(&image, &runs, &options.nr_runs), 0);
	options.runs = runs;
	assert_int_equal(eager_open(&options, &eager), 0);
	wait_end(&end);
	check_reads(gate);
	eager_close(eager);
	fetch_close(options.fetch);
	free(runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_crosses_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
