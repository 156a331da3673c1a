/* SPDX-License-Identifier: MIT */
/*
 * test_verbs_serve.c - the verbs server against good and bad clients
 *
 * Runs where 10.9.0.1 is the address of an RDMA device: in the host A of the
 * virtual machine.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/source.h"
#include "rig.h"

#define WINDOW	  64
#define FAR_BYTES (1u << 20)

static struct fake_daemon *fake;

static int start(void **state)
{
	fake = rig_start(NULL);
	return 0;
}

static void restart(const struct serve_options *options)
{
	fake_daemon_stop(fake);
	fake = rig_start(options);
}

static int stop(void **state)
{
	fake_daemon_stop(fake);
	return 0;
}

static struct raw_verbs *dial(void)
{
	return raw_dial(fake_daemon_rdma_port(fake));
}

static struct raw_verbs *join(void)
{
	return rig_join(fake);
}

static void nil_is_answered_with_nothing(void **state)
{
	struct raw_verbs *raw = join();
	uint8_t body[WIRE_REQUEST_MAX] = {0};
	struct wire_header reply;
	const uint8_t *got;

	for (uint32_t id = 10; id < 300; id++) {
		raw_ask(raw, WIRE_NIL, id, body, id % 3 ? 0 : sizeof(body));
		reply = raw_get(raw, &got);
		assert_int_equal(reply.type, WIRE_NIL);
		assert_int_equal(reply.id, id);
		assert_int_equal(reply.status, 0);
		assert_int_equal(reply.body_bytes, 0);
	}
	raw_close(raw);
	rig_await(fake, 0, 0);
}

/* As many as a client may have under way, again and again. */
static void whole_window_is_answered(void **state)
{
	struct raw_verbs *raw = join();
	struct wire_header reply;
	const uint8_t *body;

	for (uint32_t round = 0; round < 20; round++) {
		bool seen[WINDOW] = {false};

		for (uint32_t i = 0; i < WINDOW; i++)
			if (i % 4)
				raw_ask(raw, WIRE_NIL, i, NULL, 0);
			else
				raw_ask_read(raw, i, 0,
					     rig_read_of(i * 4096ull, 4096));
		for (uint32_t i = 0; i < WINDOW; i++) {
			reply = raw_get(raw, &body);
			assert_true(reply.id < WINDOW && !seen[reply.id]);
			seen[reply.id] = true;
			if (reply.id % 4)
				continue;
			assert_int_equal(reply.body_bytes, 4096);
			rig_assert_pages(body, reply.id * 4096ull, 4096);
		}
	}
	raw_close(raw);
}

/* Put a request behind what is in @out: how long that is then. */
static uint32_t put(uint8_t *out, uint32_t at, struct wire_header header,
		    const struct wire_read *read)
{
	if (read)
		header.body_bytes = (uint32_t)wire_put_read(
			out + at + WIRE_HEADER_BYTES, read);
	wire_put_header(out + at, &header);
	return at + WIRE_HEADER_BYTES + header.body_bytes;
}

static uint32_t put_nils(uint8_t *out, uint32_t at, uint32_t first, uint32_t nr)
{
	for (uint32_t id = first; id < first + nr; id++)
		at = put(out, at,
			 (struct wire_header){.type = WIRE_NIL, .id = id},
			 NULL);
	return at;
}

/* What comes together is answered together, as far as it fits. */
static void packed_requests_have_packed_answers(void **state)
{
	struct raw_verbs *raw = join();
	uint8_t out[RAW_BYTES] = {0};
	const uint8_t *body;
	unsigned before = raw_nr_sends(raw);

	for (uint32_t round = 0; round < 200; round++) {
		uint32_t len = put_nils(out, 0, 0, 40);

		assert_int_equal(raw_send(raw, out, len), 0);
		for (uint32_t id = 0; id < 40; id++)
			assert_int_equal(raw_get(raw, &body).id, id);
		assert_int_equal(raw_nr_sends(raw) - before, round + 1);
	}
	assert_int_equal(fake_daemon_rdma_stats(fake).requests, 1 + 200 * 40);
	raw_close(raw);
	rig_await(fake, 0, 0);
}

/* Each of a SEND goes its own way; its buffer is given back with the last. */
static void packed_requests_are_of_any_kind(void **state)
{
	enum { NR = 12 };
	struct raw_verbs *raw = join();
	uint8_t out[RAW_BYTES] = {0};
	struct wire_header reply;
	const uint8_t *body;

	for (unsigned round = 0; round < 300; round++) {
		uint32_t len = 0;
		bool seen[NR] = {false};

		for (uint32_t id = 0; id < NR; id++) {
			const struct wire_read read =
				rig_read_of((id + round) * 4096ull, 4096);
			const struct wire_header header = {
				.type = id % 3 ? WIRE_NIL : WIRE_READ,
				.flags = id % 2 ? WIRE_URGENT : 0,
				.id = id};

			len = put(out, len, header, id % 3 ? NULL : &read);
		}
		assert_int_equal(raw_send(raw, out, len), 0);
		for (uint32_t i = 0; i < NR; i++) {
			reply = raw_get(raw, &body);
			assert_true(reply.id < NR && !seen[reply.id]);
			assert_int_equal(reply.status, 0);
			seen[reply.id] = true;
			if (reply.id % 3 == 0)
				rig_assert_pages(body,
						 (reply.id + round) * 4096ull,
						 4096);
		}
	}
	raw_close(raw);
	rig_await(fake, 0, 0);
}

static void descriptor_comes_far_and_is_gone_once_taken(void **state)
{
	struct raw_verbs *raw = join();
	struct wire_header reply;
	struct wire_far far;
	const uint8_t *body;
	uint32_t len;

	rig_ask_open(raw, 5, "image");
	reply = raw_get(raw, &body);
	assert_int_equal(reply.status, 0);
	assert_int_equal(wire_get_far(body, reply.body_bytes, &far), 0);
	body = raw_take(raw, &reply, body, &len);
	assert_int_equal(len, FAKE_DESC_BYTES + 8);
	assert_int_equal(body[0], RIG_HANDLE);
	for (uint32_t at = 0; at < FAKE_DESC_BYTES; at++)
		assert_int_equal(body[8 + at], fake_desc_byte(at));
	/* The key dies with TAKEN; wait until that was served. */
	raw_ask(raw, WIRE_NIL, 6, NULL, 0);
	(void)raw_get(raw, &body);
	assert_int_not_equal(raw_fetch(raw, &far, &body), 0);
	raw_close(raw);
	rig_await(fake, 0, 0);
}

static void refusals_have_words(void **state)
{
	struct raw_verbs *raw = join();
	struct wire_read read = rig_read_of(4096, 4096);
	struct wire_header reply;
	const uint8_t *body;

	rig_ask_open(raw, 5, "nobody");
	reply = raw_get(raw, &body);
	assert_int_equal(reply.status, -ENOENT);
	assert_string_equal((const char *)body, "no image is called nobody");
	raw_ask_read(raw, 6, 0, rig_read_of(FAKE_BAD_RADDR, 4096));
	assert_int_equal(raw_get(raw, &body).status, -EIO);
	raw_ask_read(raw, 7, 0, rig_read_of(FAKE_BAD_RADDR, 65536));
	reply = raw_get(raw, &body);
	assert_int_equal(reply.status, -EIO);
	assert_int_equal(reply.flags, WIRE_REPLY);
	read.handle = 3;
	raw_ask_read(raw, 8, 0, read);
	assert_int_equal(raw_get(raw, &body).status, -EBADF);
	assert_int_equal(fake_daemon_rdma_stats(fake).failed_reads, 3);
	rig_check_read(raw, 9, 8192, 4096);
	raw_close(raw);
}

static void pages_come_inline_or_far(void **state)
{
	struct raw_verbs *raw = join();

	rig_check_read(raw, 2, 0x10000, 4096);
	rig_check_read(raw, 3, 0x20000, 8192);
	rig_check_read(raw, 4, 0x40000, FAR_BYTES);
	for (uint32_t id = 5; id < 40; id++)
		rig_check_read(raw, id, id * 65536ull, 65536);
	raw_close(raw);
}

/* A client that does not say TAKEN gets what fits, the rest when it does. */
static void reads_wait_for_what_is_lent(void **state)
{
	struct raw_verbs *raw = join(), *other;
	struct wire_header reply[4];
	struct wire_far far;
	uint8_t bodies[4][64];
	const uint8_t *body;
	uint32_t len;

	for (uint32_t id = 0; id < 6; id++)
		raw_ask_read(raw, id, 0,
			     rig_read_of(id * (uint64_t)FAR_BYTES, FAR_BYTES));
	for (unsigned i = 0; i < 4; i++) {
		reply[i] = raw_get(raw, &body);
		memcpy(bodies[i], body, reply[i].body_bytes);
	}
	/* Others are served, and messages of this client too. */
	other = join();
	rig_check_read(other, 9, 0x70000, 65536);
	raw_close(other);
	raw_ask(raw, WIRE_NIL, 77, NULL, 0);
	assert_int_equal(raw_get(raw, &body).id, 77);
	for (unsigned i = 0; i < 4; i++) {
		body = raw_take(raw, &reply[i], bodies[i], &len);
		assert_int_equal(len, FAR_BYTES);
		rig_assert_pages(body, reply[i].id * (uint64_t)FAR_BYTES, len);
	}
	for (unsigned i = 0; i < 2; i++) {
		reply[i] = raw_get(raw, &body);
		assert_int_equal(wire_get_far(body, 16, &far), 0);
		body = raw_take(raw, &reply[i], body, &len);
		rig_assert_pages(body, reply[i].id * (uint64_t)FAR_BYTES, len);
	}
	raw_close(raw);
	rig_await(fake, 0, 0);
}

static void keys_are_worth_nothing_to_others(void **state)
{
	struct raw_verbs *raw = join(), *thief = join(), *writer;
	struct wire_header reply;
	struct wire_far far;
	const uint8_t *body, *bytes;
	uint8_t copy[64];

	raw_ask_read(raw, 5, 0, rig_read_of(0, 65536));
	reply = raw_get(raw, &body);
	memcpy(copy, body, 16);
	assert_int_equal(wire_get_far(body, reply.body_bytes, &far), 0);
	assert_int_not_equal(raw_fetch(thief, &far, &bytes), 0);
	raw_close(thief);
	/* Past its end there is nothing, and it is for reading only. */
	assert_int_equal(raw_fetch(raw, &far, &bytes), 0);
	rig_assert_pages(bytes, 0, 65536);
	assert_int_not_equal(raw_scribble(raw, &far), 0);
	raw_close(raw);
	rig_await(fake, 0, 0);
	writer = join();
	rig_ask_open(writer, 5, "image");
	reply = raw_get(writer, &body);
	assert_int_equal(wire_get_far(body, reply.body_bytes, &far), 0);
	far.raddr += far.len_bytes - 8;
	far.len_bytes = 9;
	assert_int_not_equal(raw_fetch(writer, &far, &bytes), 0);
	raw_close(writer);
	rig_await(fake, 0, 0);
}

static void wrong_beginnings_end_it(void **state)
{
	struct serve_options options = serve_defaults;
	struct raw_verbs *raw;
	uint8_t junk[100];

	options.hello_ms = 10 * RAW_TIMEOUT_S * 1000; /* time is no reason */
	restart(&options);
	raw = dial();
	raw_ask(raw, WIRE_NIL, 1, NULL, 0);
	raw_assert_dropped(raw);
	raw = dial();
	raw_ask_read(raw, 1, 0, rig_read_of(0, 4096));
	raw_assert_dropped(raw);
	raw = dial();
	memset(junk, 0x5a, sizeof(junk));
	(void)raw_send(raw, junk, sizeof(junk));
	raw_assert_dropped(raw);
	raw = dial();
	(void)raw_send(raw, junk, 3);
	raw_assert_dropped(raw);
	rig_await(fake, 0, 0);
	assert_int_equal(fake_daemon_rdma_stats(fake).broken, 4);
}

static void broken_messages_end_it(void **state)
{
	const struct wire_header lies = {
		.type = WIRE_NIL, .id = 2, .body_bytes = 40};
	struct raw_verbs *bystander = join(), *raw;
	uint8_t message[RAW_BYTES] = {0};
	uint8_t taken[WIRE_REQUEST_MAX];

	raw = join();
	wire_put_header(message, &lies);
	(void)raw_send(raw, message, WIRE_HEADER_BYTES + 39);
	raw_assert_dropped(raw);
	raw = join();
	(void)raw_send(raw, message, RAW_BYTES); /* no buffer is so long */
	raw_assert_dropped(raw);
	raw = join();
	raw_ask(raw, WIRE_TAKEN, 3, taken,
		(uint32_t)wire_put_taken(taken, 99)); /* nothing is lent */
	raw_assert_dropped(raw);
	raw = join();
	raw_ask(raw, WIRE_HELLO, 3, NULL, 0);
	raw_assert_dropped(raw);
	rig_check_read(bystander, 5, 0x3000, 8192);
	raw_close(bystander);
	rig_await(fake, 0, 0);
}

/* What is good in a SEND does not make good what follows. */
static void broken_packs_end_it(void **state)
{
	struct raw_verbs *bystander = join(), *raw;
	struct wire_header header = {.type = WIRE_NIL, .body_bytes = 1};
	struct wire_read read = rig_read_of(0, 65536);
	uint8_t out[RAW_BYTES] = {0};
	uint32_t len;

	raw = join();
	(void)raw_send(raw, out, put_nils(out, 0, 0, 3) + 1); /* crumbs */
	raw_assert_dropped(raw);
	raw = join();
	len = put(out, put_nils(out, 0, 0, 3), header, NULL);
	(void)raw_send(raw, out, len - 1); /* past the end */
	raw_assert_dropped(raw);
	raw = join();
	memset(out, 0, sizeof(out));
	(void)raw_send(raw, out, 0);
	raw_assert_dropped(raw);
	raw = join();
	header = (struct wire_header){.type = WIRE_HELLO};
	(void)raw_send(raw, out,
		       put(out, put_nils(out, 0, 0, 3), header, NULL));
	raw_assert_dropped(raw);
	/* Far more than anybody may have under way: the pool is lent out. */
	raw = join();
	header = (struct wire_header){.type = WIRE_READ};
	for (len = 0; len + 48 <= WIRE_REQUEST_MAX; header.id++)
		len = put(out, len, header, &read);
	for (unsigned i = 0; i < 5; i++)
		(void)raw_send(raw, out, len);
	raw_assert_dropped(raw);
	rig_check_read(bystander, 5, 0x3000, 8192);
	raw_close(bystander);
	rig_await(fake, 0, 0);
	assert_int_equal(fake_daemon_rdma_stats(fake).broken, 5);
}

static void silence_is_not_waited_for(void **state)
{
	struct serve_options options = serve_defaults;
	struct raw_verbs *raw;

	options.hello_ms = 300;
	restart(&options);
	raw = dial();
	rig_await(fake, 0, 1);
	raw_assert_dropped(raw);
	rig_await(fake, 0, 0);
	assert_int_equal(fake_daemon_rdma_stats(fake).broken, 1);
}

static void what_is_never_taken_ends_it(void **state)
{
	struct serve_options options = serve_defaults;
	struct raw_verbs *raw;
	const uint8_t *body;

	options.stall_ms = 500;
	restart(&options);
	raw = join();
	rig_ask_open(raw, 5, "image");
	(void)raw_get(raw, &body);
	raw_assert_dropped(raw);
	rig_await(fake, 0, 0);
}

static void one_client_too_many_is_told_so(void **state)
{
	struct serve_options options = serve_defaults;
	struct raw_verbs *first, *second;
	const struct wire_hello hello = {.version = WIRE_VERSION};
	uint8_t out[WIRE_REQUEST_MAX];
	struct wire_header reply;
	const uint8_t *body;

	options.clients_max = 1;
	options.hello_ms = 500; /* and then to hang up */
	restart(&options);
	first = join();
	second = dial();
	raw_ask(second, WIRE_HELLO, 4, out,
		(uint32_t)wire_put_hello(out, &hello));
	reply = raw_get(second, &body);
	assert_int_equal(reply.status, -EUSERS);
	assert_non_null(strstr((const char *)body, "--max-clients"));
	raw_assert_dropped(second);
	rig_check_read(first, 5, 0, 4096);
	raw_close(first);
	rig_await(fake, 0, 0);
}

static void answers_may_come_late(void **state)
{
	struct raw_verbs *raw = join(), *gone = join();
	const struct wire_prepare prepare = {.pid = 1};
	uint8_t out[WIRE_REQUEST_MAX];
	uint32_t len = (uint32_t)wire_put_prepare(out, &prepare);
	struct wire_header reply;
	const uint8_t *body;

	raw_ask(gone, WIRE_PREPARE, 8, out, len);
	raw_ask(raw, WIRE_PREPARE, 9, out, len);
	raw_ask(raw, WIRE_NIL, 10, NULL, 0);
	assert_int_equal(raw_get(raw, &body).id, 10);
	raw_close(gone);
	rig_await(fake, 1, 0);
	assert_int_equal(fake_daemon_answer(fake), 1);
	reply = raw_get(raw, &body);
	assert_int_equal(reply.id, 9);
	assert_int_equal(reply.type, WIRE_PREPARE);
	assert_int_equal(reply.body_bytes, 2);
	raw_close(raw);
}

static void gone_image_is_gone_for_all_that_follows(void **state)
{
	struct raw_verbs *raw = join();
	struct wire_header reply;
	bool gone = false;
	const uint8_t *body;

	for (uint32_t id = 0; id < 48; id++)
		raw_ask_read(raw, id, 0, rig_read_of(id * 4096ull, 4096));
	fake_daemon_withdraw(fake);
	for (uint32_t id = 48; id < WINDOW; id++)
		raw_ask_read(raw, id, 0, rig_read_of(id * 4096ull, 4096));
	for (uint32_t i = 0; i < WINDOW; i++) {
		reply = raw_get(raw, &body);
		if (reply.status) {
			assert_int_equal(reply.status, -ESTALE);
			gone = true;
		} else {
			assert_false(gone);
			assert_true(reply.id < 48);
			rig_assert_pages(body, reply.id * 4096ull, 4096);
		}
	}
	assert_true(gone);
	raw_close(raw);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		CASE(nil_is_answered_with_nothing),
		CASE(whole_window_is_answered),
		CASE(packed_requests_have_packed_answers),
		CASE(packed_requests_are_of_any_kind),
		CASE(descriptor_comes_far_and_is_gone_once_taken),
		CASE(refusals_have_words),
		CASE(pages_come_inline_or_far),
		CASE(reads_wait_for_what_is_lent),
		CASE(keys_are_worth_nothing_to_others),
		CASE(wrong_beginnings_end_it),
		CASE(broken_messages_end_it),
		CASE(broken_packs_end_it),
		CASE(silence_is_not_waited_for),
		CASE(what_is_never_taken_ends_it),
		CASE(one_client_too_many_is_told_so),
		CASE(answers_may_come_late),
		CASE(gone_image_is_gone_for_all_that_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
