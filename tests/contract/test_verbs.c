/* SPDX-License-Identifier: MIT */
/*
 * test_verbs.c - what the verbs transport does beside the contract
 *
 * Over a real device (soft-RoCE will do); skips itself where there is none.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/verbs.h"
#include "tests/contract/fake_verbs.h"
#include "tests/contract/pattern.h"

#define PATIENCE 20000 /* ms; only a failing test waits that long */

static const struct wire_image image = {.name = "any"};
static struct verbs_refused *refused;
static char why[WIRE_WHY_MAX + 1];

static struct fake_verbs *start(const struct fake_verbs_options *options)
{
	struct fake_verbs *server = fake_verbs_start(options);

	assert_non_null(server);
	return server;
}

static int open_at(const struct verbs_address *address, struct transport **ret)
{
	const struct verbs_origin origin = {address, &image, refused};
	struct tcp_opened opened;
	int err = verbs_open(&origin, ret, &opened, why);

	if (!err)
		free(opened.desc);
	return err;
}

static struct transport *open_ok(const struct fake_verbs *server)
{
	struct verbs_address address = fake_verbs_address(server);
	struct transport *transport = NULL;

	assert_int_equal(open_at(&address, &transport), 0);
	return transport;
}

static struct transport_read read_of(uint64_t page, void *buf, unsigned nr)
{
	return (struct transport_read){
		.object = SOURCE_MEMORY,
		.len_bytes = (uint32_t)(nr * PAGE_BYTES),
		.raddr = FAKE_VERBS_AT + page * PAGE_BYTES,
		.buf = buf,
		.token = page,
		.urgent = 1,
	};
}

static int read_pages(struct transport *transport, uint64_t page, void *buf,
		      unsigned nr)
{
	struct transport_read read = read_of(page, buf, nr);
	struct transport_done done;

	assert_int_equal(transport->ops->submit(transport, &read, 1), 1);
	assert_int_equal(transport->ops->reap(transport, &done, 1, PATIENCE),
			 1);
	assert_int_equal(done.token, page);
	return done.result;
}

static void check_pages(struct transport *transport, uint64_t page, unsigned nr)
{
	char *buf = calloc(nr, PAGE_BYTES);

	assert_int_equal(read_pages(transport, page, buf, nr), 0);
	assert_true(pattern_is(SOURCE_MEMORY, FAKE_VERBS_AT + page * PAGE_BYTES,
			       buf, nr * PAGE_BYTES));
	free(buf);
}

/* ---- opening ---- */

static void a_long_descriptor_comes_from_afar(void **state)
{
	enum { BYTES = 700001 };
	struct fake_verbs *server =
		start(&(struct fake_verbs_options){.desc_bytes = BYTES});
	struct verbs_address address = fake_verbs_address(server);
	const struct verbs_origin origin = {&address, &image, refused};
	struct transport *transport;
	struct tcp_opened opened;

	assert_int_equal(verbs_open(&origin, &transport, &opened, why), 0);
	assert_int_equal(opened.desc_bytes, BYTES);
	assert_int_equal(opened.lease_s, 600);
	assert_true(pattern_is(9, 0, opened.desc, BYTES));
	free(opened.desc);
	check_pages(transport, 0, 1);
	check_pages(transport, 100, 2);
	check_pages(transport, 100, 1); /* behind both TAKEN */
	assert_int_equal(fake_verbs_nr_far(server), 0);
	transport->ops->close(transport);
	fake_verbs_stop(server);
}

static void a_refusal_comes_with_its_words(void **state)
{
	struct fake_verbs *server =
		start(&(struct fake_verbs_options){.open_status = -ENOENT});
	struct verbs_address address = fake_verbs_address(server);
	struct transport *transport;

	assert_int_equal(open_at(&address, &transport), -ENOENT);
	assert_string_equal(why, "words");
	fake_verbs_stop(server);
}

static void nobody_there_is_econnrefused(void **state)
{
	struct fake_verbs *server = start(&(struct fake_verbs_options){0});
	struct verbs_address address = fake_verbs_address(server);
	struct transport *transport;

	fake_verbs_stop(server);
	assert_int_equal(open_at(&address, &transport), -ECONNREFUSED);
	assert_string_equal(why, "");
	verbs_address_explain(&address, -ECONNREFUSED, why);
	assert_non_null(strstr(why, "--rdma"));
}

static void a_device_may_be_named(void **state)
{
	struct fake_verbs *server = start(&(struct fake_verbs_options){0});
	struct verbs_address address = fake_verbs_address(server);
	struct transport *transport = open_ok(server);

	(void)snprintf(address.device, sizeof(address.device), "%s",
		       verbs_device_of(transport));
	transport->ops->close(transport);
	assert_int_equal(open_at(&address, &transport), 0);
	assert_string_equal(verbs_device_of(transport), address.device);
	check_pages(transport, 5, 3);
	transport->ops->close(transport);
	(void)strcpy(address.device, "no_such_device");
	assert_int_equal(open_at(&address, &transport), -ENODEV);
	fake_verbs_stop(server);
}

/* ---- one-sided or not ---- */

static void exported_pages_are_read_without_a_message(void **state)
{
	struct fake_verbs *server = start(&(struct fake_verbs_options){0});
	struct transport *transport = open_ok(server);

	check_pages(transport, 0, 100);
	check_pages(transport, 199, 4);
	check_pages(transport, 300, 256);
	assert_int_equal(fake_verbs_nr_asked(server), 0);
	check_pages(transport, 199, 6); /* more regions than one read takes */
	check_pages(transport, 99, 2);
	assert_int_equal(fake_verbs_nr_asked(server), 2);
	transport->ops->close(transport);
	fake_verbs_stop(server);
}

/* The whole way of a lost key: a break, a new connection, and messages. */
static void a_revoked_range_breaks_once_and_then_goes_by_message(void **state)
{
	struct fake_verbs *server = start(&(struct fake_verbs_options){0});
	struct transport *transport = open_ok(server);
	static char buf[4 * PAGE_BYTES];

	check_pages(transport, 10, 4);
	fake_verbs_revoke(server);
	assert_int_equal(read_pages(transport, 10, buf, 4), -EIO);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(read_pages(transport, 150, buf, 1), -EIO);
	transport->ops->close(transport);
	assert_int_equal(fake_verbs_nr_asked(server), 0);

	transport = open_ok(server);
	check_pages(transport, 8, 8);
	check_pages(transport, 13, 1);
	assert_int_equal(fake_verbs_nr_asked(server), 2);
	check_pages(transport, 14, 1);
	check_pages(transport, 150, 9);
	assert_int_equal(fake_verbs_nr_asked(server), 2);
	transport->ops->close(transport);
	fake_verbs_stop(server);
}

static void a_failed_read_among_many_is_told_once_like_the_rest(void **state)
{
	enum { NR = 60 };
	struct fake_verbs *server = start(&(struct fake_verbs_options){0});
	struct transport *transport = open_ok(server);
	static char bufs[NR][PAGE_BYTES];
	struct transport_read reads[NR];
	struct transport_done done[NR];
	bool seen[NR] = {false};
	unsigned nr = 0;

	fake_verbs_revoke(server);
	for (unsigned i = 0; i < NR; i++) {
		/* The 31st is under the lost key. */
		reads[i] = read_of(i == 30 ? 50 : 300 + i, bufs[i], 1);
		reads[i].token = i;
	}
	assert_int_equal(transport->ops->submit(transport, reads, NR), NR);
	while (nr < NR) {
		int got = transport->ops->reap(transport, done, NR, PATIENCE);

		assert_in_range(got, 1, NR - nr);
		for (int i = 0; i < got; i++) {
			unsigned at = (unsigned)done[i].token;

			assert_false(seen[at]);
			seen[at] = true;
			if (at < 30)
				assert_int_equal(done[i].result, 0);
			else
				assert_int_equal(done[i].result, -EIO);
			if (!done[i].result)
				assert_true(pattern_is(SOURCE_MEMORY,
						       reads[at].raddr,
						       bufs[at], PAGE_BYTES));
		}
		nr += (unsigned)got;
	}
	transport->ops->close(transport);
	fake_verbs_stop(server);
}

/* ---- a far end that lies, is silent, is gone ---- */

static void check_lie(const struct fake_verbs_options *options, uint64_t page,
		      unsigned nr)
{
	struct fake_verbs *server = start(options);
	struct transport *transport = open_ok(server);
	char *buf = malloc(nr * PAGE_BYTES);

	assert_int_equal(read_pages(transport, page, buf, nr), -EIO);
	free(buf);
	transport->ops->close(transport);
	fake_verbs_stop(server);
}

static void wrong_lengths_break_the_connection(void **state)
{
	check_lie(&(struct fake_verbs_options){.lies_inline = true}, 100, 1);
	check_lie(&(struct fake_verbs_options){.lies_far = true}, 100, 2);
}

static void silence_is_the_callers_to_bound(void **state)
{
	struct fake_verbs *server =
		start(&(struct fake_verbs_options){.is_mute = true});
	struct transport *transport = open_ok(server);
	char *buf = malloc(PAGE_BYTES);
	struct transport_read read = read_of(100, buf, 1);
	struct transport_done done;

	assert_int_equal(transport->ops->submit(transport, &read, 1), 1);
	assert_int_equal(transport->ops->reap(transport, &done, 1, 50), 0);
	transport->ops->close(transport);
	free(buf);
	fake_verbs_stop(server);
}

static void a_far_end_that_left_while_idle_is_eio(void **state)
{
	struct fake_verbs *server = start(&(struct fake_verbs_options){0});
	struct transport *transport = open_ok(server);
	static char buf[PAGE_BYTES];

	check_pages(transport, 0, 1);
	fake_verbs_stop(server);
	assert_int_equal(read_pages(transport, 1, buf, 1), -EIO);
	assert_int_equal(read_pages(transport, 1, buf, 1), -EIO);
	transport->ops->close(transport);
}

/* ---- buffers and waiting ---- */

static void prepared_buffers_get_their_bytes_and_no_more(void **state)
{
	enum { NR = 40 };
	struct fake_verbs *server = start(&(struct fake_verbs_options){0});
	struct transport *transport = open_ok(server);
	char *buf = aligned_alloc(PAGE_BYTES, NR * PAGE_BYTES);

	assert_int_equal(
		transport->ops->prepare_buffer(transport, buf, NR * PAGE_BYTES),
		0);
	for (unsigned round = 0; round < 2; round++) {
		memset(buf, 0x5a, NR * PAGE_BYTES);
		assert_int_equal(
			read_pages(transport, 20, buf + PAGE_BYTES, NR - 2), 0);
		assert_true(pattern_is(
			SOURCE_MEMORY, FAKE_VERBS_AT + 20 * PAGE_BYTES,
			buf + PAGE_BYTES, (NR - 2) * PAGE_BYTES));
		assert_int_equal(buf[PAGE_BYTES - 1], 0x5a);
		assert_int_equal(buf[(NR - 1) * PAGE_BYTES], 0x5a);
		if (!round)
			transport->ops->release_buffer(transport, buf);
	}
	transport->ops->close(transport);
	free(buf);
	fake_verbs_stop(server);
}

/* Eight times the pool that they are copied through. */
static void more_than_the_pool_holds_waits_its_turn(void **state)
{
	enum { NR = 16, PAGES = 256 };
	struct fake_verbs *server = start(&(struct fake_verbs_options){0});
	struct transport *transport = open_ok(server);
	struct transport_read reads[NR];
	struct transport_done done[NR];
	int nr = 0;

	for (unsigned i = 0; i < NR; i++) {
		reads[i] = read_of(300 + i * PAGES, malloc(PAGES * PAGE_BYTES),
				   PAGES);
		reads[i].urgent = i % 2;
	}
	assert_int_equal(transport->ops->submit(transport, reads, NR), NR);
	while (nr < NR) {
		int got = transport->ops->reap(transport, done, NR, PATIENCE);

		assert_in_range(got, 1, NR - nr);
		for (int i = 0; i < got; i++)
			assert_int_equal(done[i].result, 0);
		nr += got;
	}
	for (unsigned i = 0; i < NR; i++) {
		assert_true(pattern_is(SOURCE_MEMORY, reads[i].raddr,
				       reads[i].buf, PAGES * PAGE_BYTES));
		free(reads[i].buf);
	}
	transport->ops->close(transport);
	fake_verbs_stop(server);
}

static void each_way_to_wait_brings_the_bytes(void **state)
{
	struct fake_verbs *server = start(&(struct fake_verbs_options){0});
	struct verbs_address address = fake_verbs_address(server);

	for (int mode = VERBS_ADAPTIVE; mode <= VERBS_EVENTS; mode++) {
		struct transport *transport;

		address.completion = (enum verbs_completion)mode;
		assert_int_equal(open_at(&address, &transport), 0);
		for (unsigned i = 0; i < 20; i++)
			check_pages(transport, i * 11, 1);
		transport->ops->close(transport);
	}
	fake_verbs_stop(server);
}

static int set_up(void **state)
{
	refused = verbs_refused_new();
	return refused ? 0 : -1;
}

static int tear_down(void **state)
{
	verbs_refused_free(refused);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_long_descriptor_comes_from_afar),
		TEST(a_refusal_comes_with_its_words),
		TEST(nobody_there_is_econnrefused),
		TEST(a_device_may_be_named),
		TEST(exported_pages_are_read_without_a_message),
		TEST(a_revoked_range_breaks_once_and_then_goes_by_message),
		TEST(a_failed_read_among_many_is_told_once_like_the_rest),
		TEST(wrong_lengths_break_the_connection),
		TEST(silence_is_the_callers_to_bound),
		TEST(a_far_end_that_left_while_idle_is_eio),
		TEST(prepared_buffers_get_their_bytes_and_no_more),
		TEST(more_than_the_pool_holds_waits_its_turn),
		TEST(each_way_to_wait_brings_the_bytes),
	};

	if (fake_verbs_lack()) {
		(void)fprintf(stderr, "SKIP: %s\n", fake_verbs_lack());
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
