/* SPDX-License-Identifier: MIT */
/*
 * test_perftest.c - the figures in what perftest 4.5 prints, and the lines by
 * which two benchmarks talk
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/bench/perftest.h"
#include "tools/bench/xfer_link.h"

static const char lat[] =
	"Device not recognized to implement inline feature. Disabling it\n"
	"------------------------------------------------------------------\n"
	"                    RDMA_Read Latency Test\n"
	" Dual-port       : OFF\t\tDevice         : rxeA\n"
	" local address: LID 0000 QPN 0x0012 PSN 0x3c5756\n"
	" GID: 00:00:00:00:00:00:00:00:00:00:255:255:10:09:00:01\n"
	"------------------------------------------------------------------\n"
	" #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    "
	"t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% "
	"percentile[usec] \n"
	" 4096    300          83.90          71508.40      157.40   \t       "
	"5675.49     \t7415.78\t\t62357.22 \t\t71508.40\n"
	"------------------------------------------------------------------\n";

static const char bw[] =
	" #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   "
	"MsgRate[Mpps]\n"
	" 64         4000             0.64               0.29   \t\t   "
	"0.004782\n";

static void latency_in_nanoseconds(void **state)
{
	struct perftest_plan plan = {PERFTEST_READ_LAT, 4096, 1, 300, false};
	struct perftest_result result;

	assert_int_equal(perftest_parse(&plan, lat, &result), 0);
	assert_int_equal(result.min_ns + 0.5, 83900);
	assert_int_equal(result.typical_ns + 0.5, 157400);
	assert_int_equal(result.p99_ns + 0.5, 62357220);
	assert_true(result.bytes_per_s == 0);
}

static void bandwidth_of_all_queue_pairs(void **state)
{
	struct perftest_plan plan = {PERFTEST_SEND_BW, 64, 4, 1000, false};
	struct perftest_result result;

	assert_int_equal(perftest_parse(&plan, bw, &result), 0);
	assert_int_equal(result.bytes_per_s, (int)(0.29 * 1048576));
	assert_int_equal(result.messages_per_s + 0.5, 4782);
	assert_true(result.min_ns == 0);
}

static void what_was_not_asked_for_is_no_figure(void **state)
{
	struct perftest_plan plan = {PERFTEST_READ_LAT, 8192, 1, 300, false};
	struct perftest_result result;

	assert_true(perftest_parse(&plan, lat, &result) < 0); /* other size */
	plan.size_bytes = 4096;
	plan.iters = 301;
	assert_true(perftest_parse(&plan, lat, &result) < 0); /* cut short */
	plan.iters = 300;
	assert_true(perftest_parse(&plan, "", &result) < 0);
	assert_true(perftest_parse(&plan, "4096 300 1 2 3\n", &result) < 0);
	assert_true(perftest_parse(&plan, "Couldn't connect\n", &result) < 0);
}

static void offers_go_there_and_back(void **state)
{
	struct xfer_offer offer = {.image = {.name = "bench"},
				   .tcp_port = 65535,
				   .rdma_port = 0,
				   .mib = 64};
	struct xfer_offer got;
	char line[XFER_LINE_MAX];

	for (unsigned i = 0; i < WIRE_KEY_BYTES; i++)
		offer.image.key[i] = (uint8_t)(i * 17);
	xfer_put_offer(line, &offer);
	assert_int_equal(xfer_get_offer(line, &got), 0);
	assert_string_equal(got.image.name, "bench");
	assert_memory_equal(got.image.key, offer.image.key, WIRE_KEY_BYTES);
	assert_int_equal(got.tcp_port, 65535);
	assert_int_equal(got.rdma_port, 0);
	assert_int_equal(got.mib, 64);
}

static void no_offers(void **state)
{
	static const char *const lines[] = {
		"",
		"offer",
		"offer bench 00112233445566778899aabbccddeeff 1 2",
		"offer bench 00112233445566778899aabbccddeef 1 2 3",
		"offer bench 00112233445566778899aabbccddeefg 1 2 3",
		"offer bench 00112233445566778899aabbccddeeff 1 65536 3",
		"offer bench 00112233445566778899aabbccddeeff 1 2 0",
		"offer .. 00112233445566778899aabbccddeeff 1 2 3",
		"offer bench 00112233445566778899aabbccddeeff 1 2 3 4",
		"offer  bench 00112233445566778899aabbccddeeff 1 2 3",
	};
	struct xfer_offer got;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_true(xfer_get_offer(lines[i], &got) < 0);
}

static void asking_for_a_perftest(void **state)
{
	struct perftest_plan plan = {PERFTEST_SEND_BW, 64, 4, 1000, true}, got;
	enum xfer_ask ask = XFER_OFFER;
	char line[XFER_LINE_MAX];

	xfer_put_perftest(line, &plan);
	assert_int_equal(xfer_get_ask(line, &ask, &got), 0);
	assert_int_equal(ask, XFER_PERFTEST);
	assert_int_equal(got.tool, PERFTEST_SEND_BW);
	assert_int_equal(got.size_bytes, 64);
	assert_int_equal(got.depth, 4);
	assert_int_equal(got.iters, 1000);
	assert_true(got.events);
	assert_int_equal(xfer_get_ask("echo", &ask, &got), 0);
	assert_int_equal(ask, XFER_ECHO);
}

/* A line decides what runs on another host: nothing else may come of it. */
static void asking_for_anything_else(void **state)
{
	static const char *const lines[] = {
		"",
		"echo echo",
		"perftest ib_write_lat 64 4 1000 events",
		"perftest /bin/sh 64 4 1000 events",
		"perftest ib_send_bw 0 4 1000 events",
		"perftest ib_send_bw 64 0 1000 events",
		"perftest ib_send_bw 64 513 1000 events",
		"perftest ib_send_bw 64 4 4 events",
		"perftest ib_send_bw 64 4 -5 events",
		"perftest ib_send_bw 64 4 1000 sometimes",
		"perftest ib_send_bw 64 4 1000",
		"perftest ib_send_bw 64 4 1000 events more",
	};
	struct perftest_plan plan;
	enum xfer_ask ask;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_true(xfer_get_ask(lines[i], &ask, &plan) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latency_in_nanoseconds),
		cmocka_unit_test(bandwidth_of_all_queue_pairs),
		cmocka_unit_test(what_was_not_asked_for_is_no_figure),
		cmocka_unit_test(offers_go_there_and_back),
		cmocka_unit_test(no_offers),
		cmocka_unit_test(asking_for_a_perftest),
		cmocka_unit_test(asking_for_anything_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
