/* SPDX-License-Identifier: MIT */
/* test_tcp_todo.c - what goes into a batch, in which order, and how it leaves
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rdmafetch/tcp_todo.h"

static struct tcp_todo todo;
static struct tcp_batch batch;
static struct batch_pool pool;
static struct serve_stats stats;
static unsigned nr_tails_done;

static int fill_with_object(struct page_source *source, uint32_t object,
			    uint64_t raddr, void *buf, size_t len_bytes)
{
	memset(buf, (int)(raddr >> 12), len_bytes);
	return 0;
}

static int find_source(void *session, uint32_t handle,
		       struct page_source **ret_source)
{
	static struct page_source source = {.read = fill_with_object};

	*ret_source = &source;
	return handle ? -EBADF : 0;
}

static const struct serve_ops ops = {.source = find_source};
static const struct todo_client client = {.ops = &ops, .stats = &stats};

static void tail_done(void *owner)
{
	nr_tails_done++;
}

static int start(void **state)
{
	memset(&todo, 0, sizeof(todo));
	memset(&batch, 0, sizeof(batch));
	nr_tails_done = 0;
	return 0;
}

static int stop(void **state)
{
	todo_done(&todo);
	batch_reset(&batch, &pool);
	batch_pool_done(&pool);
	return 0;
}

static void add_read(bool urgent, uint32_t id, uint32_t len_bytes)
{
	const struct wire_read read = {.raddr = (uint64_t)id << 12,
				       .len_bytes = len_bytes};

	todo_add_read(&todo, urgent, id, &read);
}

static void add_answer(uint32_t id, const char *head, const char *tail)
{
	const struct wire_header header = {
		.type = WIRE_OPEN,
		.flags = WIRE_REPLY,
		.id = id,
		.body_bytes = (uint32_t)(strlen(head) + strlen(tail)),
	};
	const struct serve_tail lent = {
		.bytes = (const uint8_t *)tail,
		.len_bytes = strlen(tail),
		.done = tail_done,
	};

	todo.nr_asked++;
	assert_int_equal(0, todo_add_answer(&todo, &header, head, strlen(head),
					    *tail ? &lent : NULL));
}

/* All that the batch sends, taken in bites of @bite bytes. */
static size_t send_in_bites(uint8_t *out, size_t bite)
{
	size_t len = 0;
	int all = batch_empty(&batch);

	while (!all) {
		const struct msghdr *msg = batch_msg(&batch);
		size_t n = msg->msg_iov[0].iov_len;

		assert_true(n > 0);
		n = n < bite ? n : bite;
		memcpy(out + len, msg->msg_iov[0].iov_base, n);
		len += n;
		all = batch_sent(&batch, n);
	}
	return len;
}

/* The id of the reply at @at, and the one behind it. */
static uint32_t next_id(const uint8_t **at)
{
	struct wire_header header;

	assert_int_equal(0, wire_get_header(*at, WIRE_REPLY_MAX, &header));
	*at += WIRE_HEADER_BYTES + header.body_bytes;
	return header.id;
}

static void answers_come_before_urgent_before_bulk(void **state)
{
	static uint8_t out[BATCH_BYTES];
	const uint8_t *at = out;

	add_read(false, 1, 4096);
	add_read(true, 2, 4096);
	add_answer(3, "answer", "");
	todo_fill_first(&todo, &client, &batch, &pool);
	todo_fill_bulk(&todo, &client, &batch, &pool);
	assert_int_equal(3 * WIRE_HEADER_BYTES + 6 + 2 * 4096,
			 send_in_bites(out, 1 << 20));
	assert_int_equal(3, next_id(&at));
	assert_int_equal(2, next_id(&at));
	assert_int_equal(2, at[-1]); /* its page */
	assert_int_equal(1, next_id(&at));
	assert_int_equal(0, todo.nr_asked);
}

/* However the kernel cuts it: the same bytes, head and tail. */
static void batch_leaves_whole_in_bites_of_any_size(void **state)
{
	static uint8_t out[8192];
	const uint8_t *at;

	for (size_t bite = 1; bite < 150; bite += 7) {
		start(NULL);
		add_answer(1, "head", "a tail that is lent");
		todo_fill_first(&todo, &client, &batch, &pool);
		assert_int_equal(WIRE_HEADER_BYTES + 23,
				 send_in_bites(out, bite));
		at = out;
		assert_int_equal(1, next_id(&at));
		assert_memory_equal("heada tail that is lent", at - 23, 23);
		assert_int_equal(0, nr_tails_done);
		batch_reset(&batch, &pool);
		assert_int_equal(1, nr_tails_done);
	}
}

static void nothing_goes_behind_a_tail(void **state)
{
	add_answer(1, "", "tail");
	add_answer(2, "next", "");
	add_read(true, 3, 4096);
	todo_fill_first(&todo, &client, &batch, &pool);
	assert_int_equal(WIRE_HEADER_BYTES, batch.len_bytes);
	assert_int_equal(1, todo.urgent.nr);
	assert_true(todo_waiting(&todo));
	batch_reset(&batch, &pool);
	todo_fill_first(&todo, &client, &batch, &pool);
	assert_int_equal(2 * WIRE_HEADER_BYTES + 4 + 4096, batch.len_bytes);
}

/* Whoever waits for a page waits for one slice of bulk at most. */
static void bulk_ends_after_a_slice_and_urgent_still_fits(void **state)
{
	for (uint32_t i = 0; i < 64; i++)
		add_read(false, i, 65536);
	todo_fill_bulk(&todo, &client, &batch, &pool);
	assert_true(batch.len_bytes >= BATCH_BULK_BYTES);
	assert_true(batch.len_bytes < BATCH_BULK_BYTES + 65536 + 1024);
	add_read(true, 100, WIRE_READ_MAX);
	todo_fill_first(&todo, &client, &batch, &pool);
	assert_int_equal(0, todo.urgent.nr);
	assert_true(batch.len_bytes <= BATCH_BYTES);
}

static void queue_is_full_at_its_limit(void **state)
{
	for (uint32_t i = 0; i < TODO_READS_MAX; i++) {
		assert_true(todo_read_fits(&todo, true));
		add_read(true, i, 4096);
	}
	assert_false(todo_read_fits(&todo, true));
	assert_true(todo_read_fits(&todo, false));
	todo_fill_first(&todo, &client, &batch, &pool);
	assert_true(todo_read_fits(&todo, true));
}

static void forgotten_answers_give_their_tails_back(void **state)
{
	add_answer(1, "", "tail");
	add_answer(2, "", "tail");
	todo_fill_first(&todo, &client, &batch, &pool);
	todo_done(&todo);
	assert_int_equal(1, nr_tails_done);
	batch_reset(&batch, &pool);
	assert_int_equal(2, nr_tails_done);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(answers_come_before_urgent_before_bulk),
		CASE(batch_leaves_whole_in_bites_of_any_size),
		CASE(nothing_goes_behind_a_tail),
		CASE(bulk_ends_after_a_slice_and_urgent_still_fits),
		CASE(queue_is_full_at_its_limit),
		CASE(forgotten_answers_give_their_tails_back),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
