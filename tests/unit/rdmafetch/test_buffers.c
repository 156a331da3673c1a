/* SPDX-License-Identifier: MIT */
/*
 * test_buffers.c - what lives long is known to each transport, while it lives
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rdmafetch/buffers.h"
#include "rdmafetch/mend.h"

/* A transport that knows buffers and takes no read. */
struct knower {
	struct transport base;
	const void *known[PUMP_BUFFERS_MAX];
	size_t len_bytes[PUMP_BUFFERS_MAX];
	unsigned nr;
};

static struct knower knowers[2];
static unsigned nr_opened;

static int knower_prepare(struct transport *transport, void *buf,
			  size_t len_bytes)
{
	struct knower *knower = (struct knower *)transport;

	knower->known[knower->nr] = buf;
	knower->len_bytes[knower->nr++] = len_bytes;
	return 0;
}

static void knower_release(struct transport *transport, void *buf)
{
	struct knower *knower = (struct knower *)transport;
	unsigned at = 0;

	while (at < knower->nr && knower->known[at] != buf)
		at++;
	assert_true(at < knower->nr);
	knower->known[at] = knower->known[--knower->nr];
}

static void knower_close(struct transport *transport)
{
}

static const struct transport_ops knower_ops = {
	.name = "knower",
	.prepare_buffer = knower_prepare,
	.release_buffer = knower_release,
	.close = knower_close,
};

static int reopen(void *arg, struct transport **ret)
{
	knowers[nr_opened].base.ops = &knower_ops;
	*ret = &knowers[nr_opened++].base;
	return 0;
}

static void open_pump(struct pump *pump)
{
	const struct pump_options options = {
		.timeout_ms = 1000, .tries = 1, .reopen = reopen};
	struct transport *transport;

	nr_opened = 0;
	knowers[0] = knowers[1] = (struct knower){0};
	(void)reopen(NULL, &transport);
	assert_int_equal(pump_init(pump, transport, &options), 0);
	(void)pthread_mutex_lock(&pump->lock);
}

static void close_pump(struct pump *pump)
{
	(void)pthread_mutex_unlock(&pump->lock);
	pump_done(pump);
}

static void a_new_transport_knows_what_still_lives(void **state)
{
	static char bufs[3][64];
	struct pump pump;

	open_pump(&pump);
	for (unsigned i = 0; i < 3; i++)
		buffers_add(&pump, bufs[i], 10 + i);
	assert_int_equal(knowers[0].nr, 3);
	buffers_del(&pump, bufs[1]);
	assert_int_equal(knowers[0].nr, 2);
	pump.broken = true;
	assert_int_equal(mend_once(&pump), 0);
	assert_int_equal(knowers[1].nr, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_not_equal(knowers[1].known[i], bufs[1]);
		assert_int_equal(knowers[1].len_bytes[i],
				 knowers[1].known[i] == bufs[0] ? 10 : 12);
	}
	close_pump(&pump);
}

static void without_a_connection_it_waits_for_the_next(void **state)
{
	static char bufs[2][64];
	struct pump pump;

	open_pump(&pump);
	buffers_add(&pump, bufs[0], 64);
	pump.broken = true;
	buffers_add(&pump, bufs[1], 64);
	buffers_del(&pump, bufs[0]);
	assert_int_equal(knowers[0].nr, 1);
	assert_int_equal(mend_once(&pump), 0);
	assert_int_equal(knowers[1].nr, 1);
	assert_ptr_equal(knowers[1].known[0], bufs[1]);
	close_pump(&pump);
}

static void too_many_are_left_to_the_transport(void **state)
{
	static char bufs[PUMP_BUFFERS_MAX + 1][8];
	struct pump pump;

	open_pump(&pump);
	for (unsigned i = 0; i <= PUMP_BUFFERS_MAX; i++)
		buffers_add(&pump, bufs[i], 8);
	assert_int_equal(knowers[0].nr, PUMP_BUFFERS_MAX);
	buffers_del(&pump, bufs[PUMP_BUFFERS_MAX]);
	assert_int_equal(knowers[0].nr, PUMP_BUFFERS_MAX);
	close_pump(&pump);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_transport_knows_what_still_lives),
		cmocka_unit_test(without_a_connection_it_waits_for_the_next),
		cmocka_unit_test(too_many_are_left_to_the_transport),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
