/* SPDX-License-Identifier: MIT */
/*
 * test_fdinfo.c - every kind of fdinfo text that an image uses
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "parent/fdinfo.h"

#define HEAD "pos:\t0\nflags:\t02000002\nmnt_id:\t17\nino:\t1038\n"

static struct fdinfo_watches watches;

static int parse(const char *text, struct fdinfo *info)
{
	watches.nr = 0;
	return fdinfo_parse(5, text, strlen(text), info, &watches);
}

static int free_watches(void **state)
{
	free(watches.items);
	watches = (struct fdinfo_watches){0};
	return 0;
}

static void every_descriptor_has_four_lines(void **state)
{
	struct fdinfo info;

	assert_int_equal(
		parse("pos:\t9223372036854775807\nflags:\t0102001\n"
		      "mnt_id:\t28\nino:\t12\n"
		      "lock:\t1: FLOCK  ADVISORY  WRITE 1 00:1 2 0 EOF\n",
		      &info),
		0);
	assert_int_equal(info.pos_bytes, INT64_MAX);
	assert_int_equal(info.flags, 0102001);
	assert_int_equal(info.mnt_id, 28);
	assert_int_equal(info.ino, 12);
	assert_int_equal(info.has, 0);
	assert_int_equal(parse("pos:\t-4096\nflags:\t0\n", &info), 0);
	assert_true(info.pos_bytes == (uint64_t)-4096);
}

static void counts_are_hexadecimal(void **state)
{
	struct fdinfo info;

	assert_int_equal(parse(HEAD "eventfd-count:               1f\n"
				    "eventfd-id: 3\neventfd-semaphore: 1\n",
			       &info),
			 0);
	assert_int_equal(info.has, FDINFO_EVENTFD);
	assert_int_equal(info.value, 0x1f);
	assert_true(info.semaphore);
	assert_int_equal(info.eventfd_id, 3);
	assert_int_equal(parse(HEAD "sigmask:\t0000000000004006\n", &info), 0);
	assert_int_equal(info.has, FDINFO_SIGNALFD);
	assert_int_equal(info.value, 0x4006);
}

static void timers_are_nanoseconds(void **state)
{
	struct fdinfo info;

	assert_int_equal(parse(HEAD "clockid: 1\nticks: 3\nsettime flags: 01\n"
				    "it_value: (2, 500000001)\n"
				    "it_interval: (0, 7)\n",
			       &info),
			 0);
	assert_int_equal(info.has, FDINFO_TIMERFD);
	assert_int_equal(info.clockid, 1);
	assert_int_equal(info.value, 3);
	assert_int_equal(info.value_ns, 2500000001);
	assert_int_equal(info.interval_ns, 7);
}

/* What was running then may be about to tick; what was off is off. */
static void a_timer_without_time_may_have_run_out(void **state)
{
	const struct fdinfo now = {.has = FDINFO_TIMERFD},
			    periodic = {.has = FDINFO_TIMERFD,
					.interval_ns = 50},
			    ticked = {.has = FDINFO_TIMERFD,
				      .value = 1,
				      .interval_ns = 50},
			    ran = {.has = FDINFO_TIMERFD, .value_ns = 7},
			    ran_periodic = {.has = FDINFO_TIMERFD,
					    .value_ns = 7,
					    .interval_ns = 50};

	assert_true(fdinfo_may_tick(&ran, &now, 7));
	assert_false(fdinfo_may_tick(&ran, &now, 6));
	assert_true(fdinfo_may_tick(&ran_periodic, &periodic, 7));
	assert_false(fdinfo_may_tick(&ran_periodic, &periodic, 6));
	assert_true(fdinfo_may_tick(&ticked, &periodic, 1));
	assert_false(fdinfo_may_tick(&periodic, &periodic, 1000));
	assert_false(fdinfo_may_tick(&now, &now, 1000));
	assert_false(fdinfo_may_tick(&ticked, &now, 1000));
	assert_false(fdinfo_may_tick(&ran, &ticked, 7));
	assert_false(fdinfo_may_tick(&ran_periodic, &ran_periodic, 7));
}

static void watches_are_collected(void **state)
{
	struct fdinfo info;

	assert_int_equal(parse(HEAD
			       "tfd:        3 events:       19 data: "
			       "    7f3100000003  pos:0 ino:409f sdev:f\n"
			       "tfd:        4 events: 80000001 data: "
			       "ffffffffffffffff  pos:-1 ino:40a0 sdev:f\n",
			       &info),
			 0);
	assert_int_equal(info.has, FDINFO_EPOLL);
	assert_int_equal(watches.nr, 2);
	assert_int_equal(watches.items[0].epoll.epfd, 5);
	assert_int_equal(watches.items[0].epoll.fd, 3);
	assert_int_equal(watches.items[0].epoll.events, 0x19);
	assert_int_equal(watches.items[0].epoll.data, 0x7f3100000003);
	assert_int_equal(watches.items[0].ino, 0x409f);
	assert_int_equal(watches.items[1].epoll.events, 0x80000001);
	assert_true(watches.items[1].epoll.data == UINT64_MAX);
	assert_int_equal(watches.items[1].ino, 0x40a0);
}

static void broken_texts_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"pos:\tx\n",
		"flags:\t08\n",
		HEAD "tfd: 3 events: 19\n",
		HEAD "tfd: 3 events: 100000000 data: 0\n",
		HEAD "tfd: 3 events: 1 data: 0 pos:0\n",
		HEAD "clockid: 1\nit_value: (1)\n",
		HEAD "clockid: 1\nit_value: (1, 1000000000)\n",
		HEAD "clockid: 1\nit_value: (18446744073709551615, 0)\n",
		HEAD "eventfd-count: 10000000000000000\n",
	};
	struct fdinfo info;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(parse(texts[i], &info), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_descriptor_has_four_lines),
		cmocka_unit_test(counts_are_hexadecimal),
		cmocka_unit_test(timers_are_nanoseconds),
		cmocka_unit_test(a_timer_without_time_may_have_run_out),
		cmocka_unit_test(watches_are_collected),
		cmocka_unit_test(broken_texts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, free_watches);
}
