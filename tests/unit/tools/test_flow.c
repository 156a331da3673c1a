/* SPDX-License-Identifier: MIT */
/*
 * test_flow.c - reads under way: all of them, the right ones, and no wrong page
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/page.h"
#include "rdmafetch/local.h"
#include "tools/bench/flow.h"

#define HEAP   0x7f0000000000ull
#define FACTOR 2654435761ull /* as in tools/bench/parent.c */

/* A heap whose page @wrong is not what it should be. */
struct heap {
	struct page_source source;
	uint64_t wrong, reads;
	int result;
};

static int heap_read(struct page_source *source, uint32_t object,
		     uint64_t raddr, void *buf, size_t len_bytes)
{
	struct heap *heap = (struct heap *)source;
	uint64_t page = (raddr - HEAP) / PAGE_BYTES;

	heap->reads++;
	for (size_t at = 0; at < len_bytes; at += PAGE_BYTES, page++) {
		uint64_t word = page * FACTOR + (page == heap->wrong);

		memcpy((char *)buf + at, &word, sizeof(word));
	}
	return heap->result;
}

static int run(struct heap *heap, const struct flow_plan *plan,
	       struct flow_result *result)
{
	const struct flow_area area = {HEAP, 2 * FLOW_LEN_MAX};
	void *buf = malloc((size_t)plan->depth * plan->len_bytes);
	struct transport *transport;
	int error;

	heap->source.read = heap_read;
	assert_int_equal(local_open(&heap->source, &transport), 0);
	error = flow_read(transport, buf, &area, plan, result);
	transport->ops->close(transport);
	free(buf);
	return error;
}

static struct flow_result result;

static void every_read_is_counted(void **state)
{
	for (uint32_t depth = 1; depth <= FLOW_DEPTH_MAX; depth *= 4) {
		const struct flow_plan plan = {8192, depth, 1001};
		struct heap heap = {.wrong = UINT64_MAX};

		assert_int_equal(run(&heap, &plan, &result), 0);
		assert_int_equal(heap.reads, 1001);
		assert_int_equal(result.latency.nr, 1001);
		assert_int_equal(result.bytes, 1001 * 8192);
		assert_true(result.elapsed_ns > 0);
	}
}

static void a_wrong_page_is_seen(void **state)
{
	const struct flow_plan plan = {16384, 4, 64};
	struct heap heap = {.wrong = 203};

	assert_int_equal(run(&heap, &plan, &result), -EILSEQ);
}

static void a_failed_read_is_passed_on(void **state)
{
	const struct flow_plan plan = {4096, 1, 64};
	struct heap heap = {.wrong = UINT64_MAX, .result = -ESTALE};

	assert_int_equal(run(&heap, &plan, &result), -ESTALE);
}

static void the_heap_is_found_by_one_page(void **state)
{
	assert_int_equal(flow_heap_start(HEAP + 77 * PAGE_BYTES, 77 * FACTOR),
			 HEAP);
	assert_int_equal(flow_heap_start(HEAP, 0), HEAP);
	assert_int_equal(flow_heap_start(HEAP, 77 * FACTOR + 1), 0);
	assert_int_equal(flow_heap_start(PAGE_BYTES, 77 * FACTOR), 0);
}

/* ---- the rival ---- */

static void *serve(void *arg)
{
	return (void *)(intptr_t)flow_echo_serve(*(int *)arg);
}

static void an_echo_brings_all_bytes(void **state)
{
	static const struct flow_plan plan = {65536, 16, 333};
	pthread_t thread;
	void *served;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, &fds[1]), 0);
	assert_int_equal(flow_echo(fds[0], &plan, &result), 0);
	assert_int_equal(result.latency.nr, 333);
	assert_int_equal(result.bytes, 333 * 65536);
	/* Nothing is left over for the next one. */
	assert_int_equal(flow_stream(fds[0], &plan, &result), 0);
	assert_int_equal(result.latency.nr, 0);
	assert_int_equal(result.bytes, 333 * 65536);
	assert_int_equal(recv(fds[0], &served, 1, MSG_DONTWAIT), -1);
	(void)close(fds[0]);
	(void)pthread_join(thread, &served);
	assert_null(served);
	(void)close(fds[1]);
}

static void an_echo_gives_no_more_than_a_read(void **state)
{
	const struct flow_request request = {FLOW_LEN_MAX + 1, 1, {0}};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[0], &request, sizeof(request)),
			 sizeof(request));
	assert_int_equal(flow_echo_serve(fds[1]), -EPROTO);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_read_is_counted),
		cmocka_unit_test(a_wrong_page_is_seen),
		cmocka_unit_test(a_failed_read_is_passed_on),
		cmocka_unit_test(the_heap_is_found_by_one_page),
		cmocka_unit_test(an_echo_brings_all_bytes),
		cmocka_unit_test(an_echo_gives_no_more_than_a_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
