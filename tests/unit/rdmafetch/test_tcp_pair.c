/* SPDX-License-Identifier: MIT */
/*
 * test_tcp_pair.c - both ends of the protocol against each other; with "psk" as
 * its argument, inside TLS
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "fake_daemon.h"
#include "rdmafetch/tcp.h"
#include "rdmafetch/tcp_control.h"
#include "rdmafetch/tls.h"
#include "tests/contract/keyfile.h"
#include "tests/unit/rdmafetch/reader.h"

#define PATIENCE 10000

static const struct wire_image image = {.name = "any"};
static char why[WIRE_WHY_MAX + 1];
static char keys[KEYFILE_PATH_MAX]; /* "": plain */

static struct fake_daemon *start(void)
{
	return keys[0] ? fake_daemon_start_psk(NULL, keys)
		       : fake_daemon_start(NULL);
}

static struct tcp_address address_of(const struct fake_daemon *daemon,
				     bool is_unix)
{
	struct tcp_address address = {.is_unix = is_unix,
				      .port = fake_daemon_port(daemon),
				      .timeout_ms = PATIENCE};

	(void)snprintf(address.host, sizeof(address.host), "%s",
		       is_unix ? fake_daemon_path(daemon) : "127.0.0.1");
	if (keys[0])
		address.sec = keyfile_sec(keys, "any");
	return address;
}

static struct transport *open_ok(const struct fake_daemon *daemon, bool is_unix)
{
	struct tcp_address address = address_of(daemon, is_unix);
	struct transport *transport = NULL;
	struct tcp_opened opened;

	assert_int_equal(tcp_open(&address, &image, &transport, &opened, why),
			 0);
	assert_int_equal(opened.desc_bytes, FAKE_DESC_BYTES);
	assert_in_range(opened.nil_ns, 1, PATIENCE * 1000000ull);
	for (size_t i = 0; i < FAKE_DESC_BYTES; i += 4093)
		assert_int_equal(((uint8_t *)opened.desc)[i],
				 fake_desc_byte(i));
	assert_int_equal(opened.lease_s, 600);
	free(opened.desc);
	return transport;
}

static bool bytes_right(uint32_t object, uint64_t raddr, const char *buf,
			size_t len)
{
	for (size_t at = 0; at < len; at += 8) {
		uint64_t want = fake_word(object, raddr + at);
		size_t n = len - at < 8 ? len - at : 8;

		if (memcmp(buf + at, &want, n) != 0)
			return false;
	}
	return true;
}

static int read_once(struct transport *transport, uint32_t object,
		     uint64_t raddr, uint32_t len)
{
	char *buf = malloc(len);
	struct transport_read read = {object, len, raddr, buf, 5, 1};
	struct transport_done done;

	assert_int_equal(transport->ops->submit(transport, &read, 1), 1);
	assert_int_equal(transport->ops->reap(transport, &done, 1, PATIENCE),
			 1);
	if (!done.result)
		assert_true(bytes_right(object, raddr, buf, len));
	free(buf);
	return done.result;
}

static void bytes_arrive_over_both_sockets(void **state)
{
	struct fake_daemon *daemon = start();

	for (int is_unix = 0; is_unix < 2; is_unix++) {
		struct transport *transport = open_ok(daemon, is_unix);

		assert_int_equal(
			read_once(transport, SOURCE_MEMORY, BASE, PAGE_BYTES),
			0);
		assert_int_equal(read_once(transport, SOURCE_MEMORY, BASE,
					   TRANSPORT_READ_MAX),
				 0);
		assert_int_equal(read_once(transport, SOURCE_EXE, 777, 12345),
				 0);
		transport->ops->close(transport);
	}
	fake_daemon_stop(daemon);
}

static void one_bad_page_does_not_end_the_connection(void **state)
{
	struct fake_daemon *daemon = start();
	struct transport *transport = open_ok(daemon, false);

	assert_int_equal(
		read_once(transport, SOURCE_MEMORY, FAKE_BAD_RADDR, PAGE_BYTES),
		-EREMOTEIO);
	assert_int_equal(read_once(transport, SOURCE_MEMORY, BASE, PAGE_BYTES),
			 0);
	transport->ops->close(transport);
	fake_daemon_stop(daemon);
}

static void a_withdrawn_image_is_estale(void **state)
{
	struct fake_daemon *daemon = start();
	struct transport *transport = open_ok(daemon, false);

	fake_daemon_withdraw(daemon);
	assert_int_equal(read_once(transport, SOURCE_MEMORY, BASE, PAGE_BYTES),
			 -ESTALE);
	transport->ops->close(transport);
	fake_daemon_stop(daemon);
}

static void an_unknown_name_is_enoent_with_words(void **state)
{
	static const struct wire_image nobody = {.name = "nobody"};
	struct fake_daemon *daemon = start();
	struct tcp_address address = address_of(daemon, true);
	struct transport *transport = NULL;
	struct tcp_opened opened;

	assert_int_equal(tcp_open(&address, &nobody, &transport, &opened, why),
			 -ENOENT);
	assert_string_equal(why, "no image is called nobody");
	fake_daemon_stop(daemon);
}

static void a_daemon_that_goes_is_eio(void **state)
{
	struct fake_daemon *daemon = start();
	struct transport *transport = open_ok(daemon, true);

	assert_int_equal(read_once(transport, SOURCE_MEMORY, BASE, PAGE_BYTES),
			 0);
	fake_daemon_stop(daemon);
	assert_int_equal(read_once(transport, SOURCE_MEMORY, BASE, PAGE_BYTES),
			 -EIO);
	transport->ops->close(transport);
}

/* As many as fit, of all sizes: the ends push against each other's limits. */
static void a_full_pipeline_brings_every_byte(void **state)
{
	enum { NR = 1500, BUF = 64 * 4096 };
	struct fake_daemon *daemon = start();
	struct transport *transport = open_ok(daemon, false);
	struct transport_read *reads = calloc(NR, sizeof(*reads));
	unsigned nr = 0, nr_done = 0;

	while (nr_done < NR) {
		struct transport_done done[64];
		int got;

		for (; nr < NR; nr++) {
			uint32_t pages = nr % 7 ? 1 + nr % 3 : 64;

			free(reads[nr].buf);
			reads[nr] = (struct transport_read){
				SOURCE_MEMORY,
				pages << PAGE_SHIFT,
				BASE + ((uint64_t)nr << 20),
				malloc(BUF),
				nr,
				nr % 2};
			if (transport->ops->submit(transport, &reads[nr], 1) !=
			    1)
				break;
		}
		got = transport->ops->reap(transport, done, 64, PATIENCE);
		assert_true(got > 0);
		for (int i = 0; i < got; i++) {
			struct transport_read *read = &reads[done[i].token];

			assert_int_equal(done[i].result, 0);
			assert_true(bytes_right(SOURCE_MEMORY, read->raddr,
						read->buf, read->len_bytes));
			free(read->buf);
			read->buf = NULL;
		}
		nr_done += (unsigned)got;
	}
	free(reads);
	transport->ops->close(transport);
	fake_daemon_stop(daemon);
}

/* Open @name with its trace, on one connection. */
static void open_traced(const struct fake_daemon *daemon, const char *name,
			struct tcp_opened *ret_opened)
{
	struct tcp_address address = address_of(daemon, false);
	struct tcp_control *control = NULL;
	struct transport *transport = NULL;
	struct wire_image traced = {0};

	(void)snprintf(traced.name, sizeof(traced.name), "%s", name);
	assert_int_equal(tcp_control_hello(&address, &control, why), 0);
	tcp_control_want_trace(control);
	assert_int_equal(
		tcp_open_on(control, &traced, &transport, ret_opened, why), 0);
	assert_true(ret_opened->is_traced);
	assert_int_equal(ret_opened->desc_bytes, FAKE_DESC_BYTES);
	assert_int_equal(read_once(transport, SOURCE_MEMORY, BASE, PAGE_BYTES),
			 0);
	transport->ops->close(transport);
}

static void a_trace_comes_with_its_image(void **state)
{
	struct fake_daemon *daemon = start();
	struct tcp_address address = address_of(daemon, false);
	struct transport *transport = NULL;
	struct tcp_opened opened;

	open_traced(daemon, "any", &opened);
	assert_int_equal(opened.trace_bytes, sizeof(FAKE_TRACE));
	assert_string_equal(opened.trace, FAKE_TRACE);
	tcp_opened_done(&opened);
	open_traced(daemon, "plain", &opened);
	assert_null(opened.trace);
	tcp_opened_done(&opened);
	assert_int_equal(fake_daemon_stats(daemon).accepted, 2);
	assert_int_equal(tcp_open(&address, &image, &transport, &opened, why),
			 0);
	assert_false(opened.is_traced);
	assert_null(opened.trace);
	tcp_opened_done(&opened);
	transport->ops->close(transport);
	fake_daemon_stop(daemon);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_arrive_over_both_sockets),
		cmocka_unit_test(one_bad_page_does_not_end_the_connection),
		cmocka_unit_test(a_withdrawn_image_is_estale),
		cmocka_unit_test(an_unknown_name_is_enoent_with_words),
		cmocka_unit_test(a_daemon_that_goes_is_eio),
		cmocka_unit_test(a_full_pipeline_brings_every_byte),
		cmocka_unit_test(a_trace_comes_with_its_image),
	};

	int nr_failed;

	if (argc > 1 && !tls_is_built) {
		print_message("skip: built without GnuTLS\n");
		return 77;
	}
	if (argc > 1)
		keyfile_make("any:" KEYFILE_KEY "\n", keys);
	nr_failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (keys[0])
		(void)unlink(keys);
	return nr_failed;
}
