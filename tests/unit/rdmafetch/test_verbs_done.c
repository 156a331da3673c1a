/* SPDX-License-Identifier: MIT */
/*
 * test_verbs_done.c - from reads to work requests and back, without a device
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "tests/contract/fake_qp.h"

#define P(n) ((uint64_t)(n) << PAGE_SHIFT)

/* Pages 0 to 999 under key 10, 1000 and 1001 under keys 11 and 12. */
static struct wire_region list[] = {
	{0, P(1000), 10}, {P(1000), P(1), 11}, {P(1001), P(1), 12}};

static char buf[P(256)];

static struct fake_qp *new_fake(bool has_regions)
{
	struct fake_qp *fake = fake_qp_new();

	assert_non_null(fake);
	if (has_regions)
		fake->core.regions = (struct verbs_regions){list, 3};
	return fake;
}

static struct transport_read read_of(unsigned page, unsigned nr_pages)
{
	return (struct transport_read){.object = SOURCE_MEMORY,
				       .len_bytes = (uint32_t)P(nr_pages),
				       .raddr = P(page),
				       .buf = buf,
				       .token = page,
				       .urgent = 1};
}

static void take(struct fake_qp *fake, unsigned page, unsigned nr_pages)
{
	struct transport_read read = read_of(page, nr_pages);

	assert_true(fake_qp_take(fake, &read));
}

static void take_bulk(struct fake_qp *fake, unsigned page, unsigned nr_pages)
{
	struct transport_read read = read_of(page, nr_pages);

	read.urgent = 0;
	assert_true(fake_qp_take(fake, &read));
}

static void expect_landed(struct fake_qp *fake, uint64_t token, int result)
{
	struct transport_done done;

	assert_true(fake_qp_reap(fake, &done));
	assert_int_equal(done.token, token);
	assert_int_equal(done.result, result);
}

static void expect_none_landed(struct fake_qp *fake)
{
	struct transport_done done;

	assert_false(fake_qp_reap(fake, &done));
}

/* The answer to the message that was posted as number @nr. */
static void answer(struct fake_qp *fake, unsigned nr, struct wire_header header,
		   const void *body)
{
	struct wire_header asked;
	uint8_t out[VERBS_MESSAGE_MAX];

	assert_int_equal(wire_get_header(fake->wrs[nr].message,
					 WIRE_REQUEST_MAX, &asked),
			 0);
	assert_int_equal(asked.type, WIRE_READ);
	header.id ^= asked.id;
	wire_put_header(out, &header);
	if (body)
		memcpy(out + WIRE_HEADER_BYTES, body, header.body_bytes);
	fake_qp_receive(fake, nr % VERBS_RECVS, out,
			WIRE_HEADER_BYTES + (body ? header.body_bytes : 0));
}

/* Answers to the messages @first and the @nr - 1 after it, in one SEND. */
static uint32_t pack(struct fake_qp *fake, unsigned first, unsigned nr,
		     uint8_t *out, int32_t status)
{
	uint32_t len = 0;

	for (unsigned i = first; i < first + nr; i++) {
		struct wire_header header = {.type = WIRE_READ,
					     .flags = WIRE_REPLY,
					     .status = status,
					     .body_bytes = 5};
		struct wire_header asked;

		(void)wire_get_header(fake->wrs[i].message, WIRE_REQUEST_MAX,
				      &asked);
		header.id = asked.id;
		wire_put_header(out + len, &header);
		memcpy(out + len + WIRE_HEADER_BYTES, "words", 5);
		len += WIRE_HEADER_BYTES + 5;
	}
	return len;
}

static const struct wire_header good = {
	.type = WIRE_READ, .flags = WIRE_REPLY, .body_bytes = PAGE_BYTES};

/* ---- one-sided ---- */

static void a_batch_is_one_call_with_few_completions(void **state)
{
	struct fake_qp *fake = new_fake(true);

	for (unsigned i = 0; i < 20; i++)
		take(fake, i, 1);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr_calls, 1);
	assert_int_equal(fake->nr, 20);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(fake->wrs[i].opcode, IBV_WR_RDMA_READ);
		assert_int_equal(fake->wrs[i].raddr, P(i));
		assert_int_equal(fake->wrs[i].rkey, 10);
		assert_int_equal(fake->wrs[i].is_signalled,
				 i == 7 || i == 15 || i == 19);
	}
	fake_qp_complete(fake, fake->wrs[15].wr_id, IBV_WC_SUCCESS);
	for (unsigned i = 0; i < 16; i++)
		expect_landed(fake, i, 0);
	expect_none_landed(fake);
	fake_qp_complete(fake, fake->wrs[19].wr_id, IBV_WC_SUCCESS);
	for (unsigned i = 16; i < 20; i++)
		expect_landed(fake, i, 0);
	assert_int_equal(fake->core.slots.nr_busy, 0);
	fake_qp_free(fake);
}

static void a_lone_read_is_signalled(void **state)
{
	struct fake_qp *fake = new_fake(true);

	for (unsigned i = 0; i < 300; i++) {
		take(fake, i, 1);
		verbs_post_queued(&fake->core);
		assert_true(fake->wrs[i].is_signalled);
		fake_qp_complete(fake, fake->wrs[i].wr_id, IBV_WC_SUCCESS);
		expect_landed(fake, i, 0);
	}
	fake_qp_free(fake);
}

static void over_regions_a_read_ends_with_its_last_piece(void **state)
{
	struct fake_qp *fake = new_fake(true);

	take(fake, 998, 4);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fake->wrs[i].rkey, 10 + i);
	assert_ptr_equal(fake->wrs[1].local, fake->wrs[0].local + P(2));
	assert_ptr_equal(fake->wrs[2].local, fake->wrs[0].local + P(3));
	fake_qp_complete(fake, fake->wrs[2].wr_id, IBV_WC_SUCCESS);
	expect_landed(fake, 998, 0);
	expect_none_landed(fake);
	fake_qp_free(fake);
}

static void an_error_hits_one_range_and_ends_the_connection(void **state)
{
	struct fake_qp *fake = new_fake(true);

	for (unsigned i = 0; i < 6; i++)
		take(fake, 10 * i, 2);
	verbs_post_queued(&fake->core);
	fake_qp_complete(fake, fake->wrs[3].wr_id, IBV_WC_REM_ACCESS_ERR);
	assert_true(fake->core.is_broken);
	for (unsigned i = 4; i < 6; i++)
		fake_qp_complete(fake, fake->wrs[i].wr_id, IBV_WC_WR_FLUSH_ERR);
	for (unsigned i = 0; i < 3; i++)
		expect_landed(fake, 10 * i, 0);
	expect_none_landed(fake);
	for (unsigned page = 0; page < 60; page++)
		assert_int_equal(verbs_refused_has(fake->core.refused, P(page),
						   PAGE_BYTES),
				 page == 30 || page == 31);
	verbs_slots_land_all(&fake->core.slots, -EIO);
	for (unsigned i = 3; i < 6; i++)
		expect_landed(fake, 10 * i, -EIO);
	fake_qp_free(fake);
}

/* A dead peer or a lost link says nothing about a range. */
static void other_errors_refuse_nothing(void **state)
{
	struct fake_qp *fake = new_fake(true);

	take(fake, 3, 1);
	verbs_post_queued(&fake->core);
	fake_qp_complete(fake, fake->wrs[0].wr_id, IBV_WC_RETRY_EXC_ERR);
	assert_true(fake->core.is_broken);
	assert_false(verbs_refused_has(fake->core.refused, P(3), PAGE_BYTES));
	fake_qp_free(fake);
}

static void a_refused_range_goes_by_message(void **state)
{
	struct fake_qp *fake = new_fake(true);

	verbs_refused_add(fake->core.refused, P(5), PAGE_BYTES);
	take(fake, 4, 2);
	take(fake, 6, 1);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->wrs[0].opcode, IBV_WR_SEND);
	assert_int_equal(fake->wrs[1].opcode, IBV_WR_RDMA_READ);
	fake_qp_free(fake);
}

/* ---- messages ---- */

static void an_answer_brings_its_bytes(void **state)
{
	struct fake_qp *fake = new_fake(false);
	char body[PAGE_BYTES];

	memset(body, 0x3c, sizeof(body));
	memset(buf, 0, sizeof(body));
	take(fake, 1, 1);
	verbs_post_queued(&fake->core);
	answer(fake, 0, good, body);
	expect_landed(fake, 1, 0);
	assert_memory_equal(buf, body, sizeof(body));
	assert_int_equal(fake->nr_recvs, 1);
	fake_qp_free(fake);
}

static void a_refusal_is_one_reads_own(void **state)
{
	struct fake_qp *fake = new_fake(false);

	for (unsigned i = 0; i < 3; i++)
		take(fake, i, 1);
	verbs_post_queued(&fake->core);
	answer(fake, 0, (struct wire_header){WIRE_READ, WIRE_REPLY, 0, -EIO, 4},
	       "what");
	answer(fake, 1,
	       (struct wire_header){WIRE_READ, WIRE_REPLY, 0, -ESTALE, 4},
	       "what");
	expect_landed(fake, 0, -EREMOTEIO);
	expect_landed(fake, 1, -ESTALE);
	expect_none_landed(fake);
	assert_false(fake->core.is_broken);
	fake_qp_free(fake);
}

static void answers_come_packed(void **state)
{
	struct fake_qp *fake = new_fake(false);
	uint8_t out[VERBS_MESSAGE_MAX];

	for (unsigned i = 0; i < 10; i++)
		take(fake, i, 1);
	verbs_post_queued(&fake->core);
	fake_qp_receive(fake, 0, out, pack(fake, 2, 3, out, -EACCES));
	for (unsigned i = 2; i < 5; i++)
		expect_landed(fake, i, -EACCES);
	expect_none_landed(fake);
	assert_int_equal(fake->nr_recvs, 1);
	assert_int_equal(fake->core.nr_asked, 7);
	answer(fake, 5, good, buf);
	expect_landed(fake, 5, 0);
	assert_false(fake->core.is_broken);
	/* What is good lands, what follows breaks the connection. */
	fake_qp_receive(fake, 1, out, pack(fake, 6, 2, out, -EACCES) - 1);
	assert_true(fake->core.is_broken);
	expect_landed(fake, 6, -EACCES);
	expect_none_landed(fake);
	fake_qp_free(fake);
}

static void a_far_answer_is_read_and_taken(void **state)
{
	const struct wire_far far = {0x123000, P(4), 99};
	struct fake_qp *fake = new_fake(false);
	uint8_t body[WIRE_REQUEST_MAX];
	struct wire_header header = good, taken;
	uint32_t id;

	take(fake, 1, 4);
	verbs_post_queued(&fake->core);
	header.flags |= WIRE_FAR;
	header.body_bytes = (uint32_t)wire_put_far(body, &far);
	answer(fake, 0, header, body);
	expect_none_landed(fake);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, 2);
	assert_int_equal(fake->wrs[1].raddr, far.raddr);
	assert_int_equal(fake->wrs[1].rkey, far.rkey);
	assert_int_equal(fake->wrs[1].len_bytes, P(4));
	assert_true(fake->wrs[1].is_signalled);
	fake_qp_complete(fake, fake->wrs[1].wr_id, IBV_WC_SUCCESS);
	expect_landed(fake, 1, 0);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, 3);
	assert_int_equal(wire_get_header(fake->wrs[2].message, 64, &taken), 0);
	assert_int_equal(taken.type, WIRE_TAKEN);
	assert_int_equal(
		wire_get_taken(fake->wrs[2].message + WIRE_HEADER_BYTES,
			       taken.body_bytes, &id),
		0);
	assert_int_equal(wire_get_header(fake->wrs[0].message, 64, &header), 0);
	assert_int_equal(id, header.id);
	fake_qp_free(fake);
}

static void check_lie(struct wire_header header, const void *body)
{
	struct fake_qp *fake = new_fake(false);

	take(fake, 1, 1);
	verbs_post_queued(&fake->core);
	answer(fake, 0, header, body);
	assert_true(fake->core.is_broken);
	expect_none_landed(fake);
	fake_qp_free(fake);
}

static void lies_break_the_connection(void **state)
{
	static const uint8_t page[PAGE_BYTES];
	const struct wire_far far = {0x1000, PAGE_BYTES + 1, 1};
	uint8_t body[WIRE_REQUEST_MAX];
	struct wire_header lie = good;

	lie.body_bytes--;
	check_lie(lie, page);
	check_lie(good, NULL); /* says a body, and has none */
	lie = good;
	lie.type = WIRE_OPEN;
	check_lie(lie, page);
	lie = good;
	lie.flags = 0;
	check_lie(lie, page);
	lie = good;
	lie.id = 1; /* another slot's */
	check_lie(lie, page);
	lie.id = 1u << 16; /* an earlier read's */
	check_lie(lie, page);
	lie.id = 0xff00; /* none's */
	check_lie(lie, page);
	lie = good;
	lie.status = -EPERM; /* with a page of words */
	check_lie(lie, page);
	lie = good;
	lie.flags |= WIRE_FAR;
	lie.body_bytes = (uint32_t)wire_put_far(body, &far);
	check_lie(lie, body);
}

static void the_same_answer_twice_breaks_the_connection(void **state)
{
	static const uint8_t page[PAGE_BYTES];
	struct fake_qp *fake = new_fake(false);

	take(fake, 1, 1);
	verbs_post_queued(&fake->core);
	answer(fake, 0, good, page);
	answer(fake, 0, good, page);
	assert_true(fake->core.is_broken);
	expect_landed(fake, 1, 0);
	expect_none_landed(fake);
	fake_qp_free(fake);
}

/* ---- limits ---- */

static void no_more_is_asked_than_answers_have_room(void **state)
{
	static const uint8_t page[PAGE_BYTES];
	struct fake_qp *fake = new_fake(false);

	for (unsigned i = 0; i < 100; i++)
		take(fake, i, 1);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, VERBS_RECVS);
	answer(fake, 5, good, page);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, VERBS_RECVS + 1);
	fake_qp_free(fake);
}

static void reads_without_hurry_are_held_back(void **state)
{
	struct fake_qp *fake = new_fake(true);

	for (unsigned i = 0; i < 4; i++)
		take_bulk(fake, 64 * i, 64);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, 2);
	take(fake, 999, 1);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, 3);
	assert_int_equal(fake->wrs[2].raddr, P(999));
	fake_qp_complete(fake, fake->wrs[2].wr_id, IBV_WC_SUCCESS);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, 5);
	fake_qp_free(fake);
}

static void the_pool_is_shared_out_and_comes_back(void **state)
{
	struct fake_qp *fake = new_fake(true);

	for (unsigned i = 0; i < 3; i++)
		take(fake, 256 * i, 256);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, 2);
	fake_qp_complete(fake, fake->wrs[0].wr_id, IBV_WC_SUCCESS);
	fake_qp_complete(fake, fake->wrs[1].wr_id, IBV_WC_SUCCESS);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, 2); /* until they are reaped */
	expect_landed(fake, 0, 0);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->nr, 3);
	assert_ptr_equal(fake->wrs[2].local, fake->wrs[0].local);
	fake_qp_free(fake);
}

static void a_prepared_buffer_is_written_itself(void **state)
{
	struct ibv_mr mr = {.addr = buf, .length = sizeof(buf), .lkey = 5};
	struct fake_qp *fake = new_fake(true);

	assert_int_equal(verbs_buffers_add(&fake->core.buffers, &mr), 0);
	take(fake, 7, 256);
	verbs_post_queued(&fake->core);
	assert_ptr_equal(fake->wrs[0].local, buf);
	assert_int_equal(fake->wrs[0].lkey, 5);
	assert_ptr_equal(verbs_buffers_del(&fake->core.buffers, buf), &mr);
	take(fake, 8, 1);
	verbs_post_queued(&fake->core);
	assert_int_equal(fake->wrs[1].lkey, 2);
	fake_qp_free(fake);
}

/* The queue holds 128: more wait, and none is lost. */
static void a_full_queue_goes_on_when_there_is_room(void **state)
{
	struct fake_qp *fake = new_fake(true);
	unsigned nr_landed = 0, at = 0;
	struct transport_done done;

	for (unsigned i = 0; i < 250; i++)
		take(fake, i, 1);
	verbs_post_queued(&fake->core);
	assert_in_range(fake->nr, 100, 128);
	while (at < fake->nr) {
		if (fake->wrs[at].is_signalled)
			fake_qp_complete(fake, fake->wrs[at].wr_id,
					 IBV_WC_SUCCESS);
		at++;
		while (fake_qp_reap(fake, &done)) {
			assert_int_equal(done.token, nr_landed++);
			assert_int_equal(done.result, 0);
		}
		verbs_post_queued(&fake->core);
	}
	assert_int_equal(nr_landed, 250);
	fake_qp_free(fake);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_is_one_call_with_few_completions),
		cmocka_unit_test(a_lone_read_is_signalled),
		cmocka_unit_test(over_regions_a_read_ends_with_its_last_piece),
		cmocka_unit_test(
			an_error_hits_one_range_and_ends_the_connection),
		cmocka_unit_test(other_errors_refuse_nothing),
		cmocka_unit_test(a_refused_range_goes_by_message),
		cmocka_unit_test(an_answer_brings_its_bytes),
		cmocka_unit_test(a_refusal_is_one_reads_own),
		cmocka_unit_test(answers_come_packed),
		cmocka_unit_test(a_far_answer_is_read_and_taken),
		cmocka_unit_test(lies_break_the_connection),
		cmocka_unit_test(the_same_answer_twice_breaks_the_connection),
		cmocka_unit_test(no_more_is_asked_than_answers_have_room),
		cmocka_unit_test(reads_without_hurry_are_held_back),
		cmocka_unit_test(the_pool_is_shared_out_and_comes_back),
		cmocka_unit_test(a_prepared_buffer_is_written_itself),
		cmocka_unit_test(a_full_queue_goes_on_when_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
