/* SPDX-License-Identifier: MIT */
/*
 * test_transport_contract.c - the rules of rdmafetch/transport.h
 *
 * Run once per transport: test_transport_contract null|local|tcp|unix|verbs.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/source.h"
#include "config.h"
#include "tests/contract/pattern.h"
#include "tests/contract/rig.h"

#define MEMORY_AT 0x7f0000000000ull
#define PAGE	  4096u
#define PATIENCE  10000 /* ms; only a failing test waits that long */
#define MANY	  200u
#define CANARY	  0x5a

static const struct rig *rig;

/* ---- helpers ---- */

static struct transport *open_rig(const struct rig_faults *faults)
{
	struct transport *transport = rig->open(faults);

	assert_non_null(transport);
	return transport;
}

static struct transport_read page_read(uint64_t nr, void *buf)
{
	struct transport_read read = {
		.object = SOURCE_MEMORY,
		.len_bytes = PAGE,
		.raddr = MEMORY_AT + nr * PAGE,
		.buf = buf,
		.token = nr,
	};

	return read;
}

/* Take all of @reads, reaping nothing. */
static void submit_all(struct transport *transport,
		       const struct transport_read *reads, unsigned nr)
{
	while (nr) {
		int taken = transport->ops->submit(transport, reads, nr);

		assert_in_range(taken, 1, nr);
		reads += taken;
		nr -= (unsigned)taken;
	}
}

/* Reap exactly @nr; results[token] is set, each token once. */
static void reap_all(struct transport *transport, unsigned nr, int *results)
{
	bool seen[1024] = {false};

	while (nr) {
		struct transport_done done[7];
		int got = transport->ops->reap(transport, done, 7, PATIENCE);

		assert_in_range(got, 1, nr);
		for (int i = 0; i < got; i++) {
			assert_true(done[i].token < 1024);
			assert_false(seen[done[i].token]);
			seen[done[i].token] = true;
			results[done[i].token] = done[i].result;
		}
		nr -= (unsigned)got;
	}
}

/* The rest must not bring anything. */
static void check_quiet(struct transport *transport)
{
	struct transport_done done;

	assert_int_equal(transport->ops->reap(transport, &done, 1, 0), 0);
}

static int read_one(struct transport *transport,
		    const struct transport_read *read)
{
	int results[1024];

	submit_all(transport, read, 1);
	reap_all(transport, 1, results);
	return results[read->token];
}

/* ---- bytes ---- */

static void check_len(struct transport *transport, uint32_t object,
		      uint64_t raddr, uint32_t len_bytes)
{
	uint8_t *buf = malloc(len_bytes + 2);
	struct transport_read read = {object, len_bytes, raddr, buf + 1, 7, 1};

	memset(buf, CANARY, len_bytes + 2);
	assert_int_equal(read_one(transport, &read), 0);
	assert_true(pattern_is(object, raddr, buf + 1, len_bytes));
	assert_int_equal(buf[0], CANARY);
	assert_int_equal(buf[len_bytes + 1], CANARY);
	free(buf);
}

static void small_and_big_reads_bring_the_sources_bytes(void **state)
{
	static const uint32_t lens[] = {1,     7,     4095,   4097,
					16360, 70000, 1000000};
	static const uint32_t pages[] = {1, 2, 3, 4, 5, 16, 255, 256};
	struct transport *transport = open_rig(NULL);

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		check_len(transport, SOURCE_EXE, 12345, lens[i]);
		check_len(transport, SOURCE_MAPPED + 7, 12345, lens[i]);
	}
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		check_len(transport, SOURCE_MEMORY, MEMORY_AT, pages[i] * PAGE);
	check_quiet(transport);
	rig->close(transport);
}

static void a_read_may_be_repeated(void **state)
{
	struct transport *transport = open_rig(NULL);

	for (int i = 0; i < 5; i++)
		check_len(transport, SOURCE_MEMORY, MEMORY_AT + PAGE, PAGE);
	rig->close(transport);
}

/* Two reads of one page under way together, into two buffers. */
static void equal_reads_under_way_are_both_answered(void **state)
{
	struct transport *transport = open_rig(NULL);
	static char bufs[2][PAGE];
	struct transport_read reads[2];
	int results[1024];

	for (unsigned i = 0; i < 2; i++) {
		reads[i] = page_read(3, bufs[i]);
		reads[i].token = i;
	}
	submit_all(transport, reads, 2);
	reap_all(transport, 2, results);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(results[i], 0);
		assert_true(pattern_is(SOURCE_MEMORY, reads[i].raddr, bufs[i],
				       PAGE));
	}
	rig->close(transport);
}

/* ---- order ---- */

static void read_many(struct transport *transport)
{
	char *bufs = calloc(MANY, PAGE);
	struct transport_read reads[MANY];
	int results[1024];

	for (unsigned i = 0; i < MANY; i++)
		reads[i] = page_read(i, bufs + (size_t)i * PAGE);
	submit_all(transport, reads, MANY);
	reap_all(transport, MANY, results);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(results[i], 0);
		assert_true(pattern_is(SOURCE_MEMORY, reads[i].raddr,
				       reads[i].buf, PAGE));
	}
	check_quiet(transport);
	free(bufs);
}

static void a_big_batch_comes_back_once_each(void **state)
{
	struct transport *transport = open_rig(NULL);

	read_many(transport);
	read_many(transport);
	rig->close(transport);
}

static void answers_out_of_order_reach_their_buffers(void **state)
{
	struct rig_faults faults = {.reorder = 9};
	struct transport *transport = open_rig(&faults);

	read_many(transport);
	rig->close(transport);
}

/* Big and small mixed, answered in reverse: bodies straddle every buffer. */
static void mixed_sizes_out_of_order_reach_their_buffers(void **state)
{
	static const uint32_t lens[] = {4096, 262144,  8192,
					4096, 1048576, 12288};
	enum { NR = 24 };
	struct rig_faults faults = {.reorder = 5};
	struct transport *transport = open_rig(&faults);
	struct transport_read reads[NR];
	int results[1024];

	for (unsigned i = 0; i < NR; i++) {
		uint32_t len = lens[i % 6];

		reads[i] = page_read((uint64_t)i * 256, malloc(len));
		reads[i].len_bytes = len;
		reads[i].token = i;
	}
	submit_all(transport, reads, NR);
	reap_all(transport, NR, results);
	for (unsigned i = 0; i < NR; i++) {
		assert_int_equal(results[i], 0);
		assert_true(pattern_is(SOURCE_MEMORY, reads[i].raddr,
				       reads[i].buf, reads[i].len_bytes));
		free(reads[i].buf);
	}
	rig->close(transport);
}

/* ---- failures ---- */

static void check_fail_every_third(int result)
{
	struct rig_faults faults = {.fail_every = 3, .fail_result = result};
	struct transport *transport = open_rig(&faults);
	static char bufs[30][PAGE];
	struct transport_read reads[30];
	int results[1024];
	unsigned nr_failed = 0;

	for (unsigned i = 0; i < 30; i++)
		reads[i] = page_read(i, bufs[i]);
	submit_all(transport, reads, 30);
	reap_all(transport, 30, results);
	for (unsigned i = 0; i < 30; i++) {
		if (results[i]) {
			assert_int_equal(results[i], result);
			nr_failed++;
			continue;
		}
		assert_true(pattern_is(SOURCE_MEMORY, reads[i].raddr, bufs[i],
				       PAGE));
	}
	assert_int_equal(nr_failed, 10);
	check_quiet(transport);
	rig->close(transport);
}

static void a_failed_read_says_so_once_and_harms_no_other(void **state)
{
	check_fail_every_third(-EREMOTEIO);
}

static void a_released_image_is_estale_per_read(void **state)
{
	check_fail_every_third(-ESTALE);
}

static void illegal_reads_are_einval(void **state)
{
	static char buf[PAGE];
	struct transport *transport = open_rig(NULL);
	struct transport_read bad[6];

	for (unsigned i = 0; i < 6; i++)
		bad[i] = page_read(1, buf);
	bad[0].len_bytes = 0;
	bad[1].len_bytes = TRANSPORT_READ_MAX + 1;
	bad[2].object = SOURCE_END;
	bad[3].object = SOURCE_EXE;
	bad[3].raddr = UINT64_MAX - 100;
	bad[4].raddr++;
	bad[5].len_bytes--;
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(transport->ops->submit(transport, &bad[i], 1),
				 -EINVAL);
	check_quiet(transport);
	check_len(transport, SOURCE_MEMORY, MEMORY_AT, PAGE);
	rig->close(transport);
}

/* What stands before an illegal read is taken; the read itself is refused. */
static void a_batch_is_taken_up_to_its_illegal_read(void **state)
{
	static char bufs[2][PAGE];
	struct transport *transport = open_rig(NULL);
	struct transport_read reads[2] = {page_read(0, bufs[0]),
					  page_read(1, bufs[1])};
	int results[1024];

	reads[1].len_bytes = 0;
	assert_int_equal(transport->ops->submit(transport, reads, 2), 1);
	reap_all(transport, 1, results);
	assert_int_equal(results[0], 0);
	rig->close(transport);
}

/* ---- limits ---- */

static void a_full_transport_is_eagain_and_takes_more_later(void **state)
{
	enum { MOST = 20000 };
	static char buf[PAGE];
	struct transport *transport = open_rig(NULL);
	struct transport_done done[64];
	unsigned nr = 0, reaped = 0;
	int ret;

	for (;;) {
		struct transport_read read = page_read(nr % 16, buf);

		ret = transport->ops->submit(transport, &read, 1);
		if (ret != 1)
			break;
		assert_true(++nr < MOST);
	}
	assert_int_equal(ret, -EAGAIN);
	while (reaped < nr) {
		ret = transport->ops->reap(transport, done, 64, PATIENCE);
		assert_true(ret > 0);
		for (int i = 0; i < ret; i++)
			assert_int_equal(done[i].result, 0);
		reaped += (unsigned)ret;
	}
	assert_int_equal(reaped, nr);
	read_many(transport);
	rig->close(transport);
}

static void reap_without_reads_returns_at_once(void **state)
{
	struct transport *transport = open_rig(NULL);
	struct transport_done done;

	assert_int_equal(transport->ops->reap(transport, &done, 1, 0), 0);
	assert_int_equal(transport->ops->reap(transport, &done, 1, -1), 0);
	rig->close(transport);
}

static void reap_gives_up_at_its_timeout(void **state)
{
	struct rig_faults faults = {.delay_ns = 100000000};
	struct transport *transport;
	struct transport_done done;
	static char buf[PAGE];
	struct transport_read read = page_read(1, buf);

	if (!rig->has_connection) {
		print_message("%s: no connection\n", rig->name);
		skip();
	}
	transport = open_rig(&faults);
	submit_all(transport, &read, 1);
	assert_int_equal(transport->ops->reap(transport, &done, 1, 1), 0);
	assert_int_equal(transport->ops->reap(transport, &done, 1, PATIENCE),
			 1);
	assert_int_equal(done.result, 0);
	rig->close(transport);
}

static void fd_is_readable_when_something_is_done(void **state)
{
	struct transport *transport = open_rig(NULL);
	struct pollfd fd = {transport->ops->fd(transport), POLLIN, 0};
	static char buf[PAGE];
	struct transport_read read = page_read(1, buf);
	struct transport_done done;
	int got = 0;

	if (fd.fd < 0) {
		rig->close(transport);
		print_message("%s: nothing to poll\n", rig->name);
		skip();
	}
	submit_all(transport, &read, 1);
	while (!got) {
		assert_int_equal(poll(&fd, 1, PATIENCE), 1);
		got = transport->ops->reap(transport, &done, 1, 0);
	}
	assert_int_equal(got, 1);
	rig->close(transport);
}

/* ---- the connection ---- */

static void a_broken_connection_is_eio_for_all_now_and_later(void **state)
{
	struct rig_faults faults = {.break_after = 5};
	struct transport *transport;
	static char bufs[20][PAGE];
	struct transport_read reads[20];
	int results[1024];
	unsigned nr_ok = 0;

	if (!rig->has_connection) {
		print_message("%s: no connection\n", rig->name);
		skip();
	}
	transport = open_rig(&faults);
	for (unsigned i = 0; i < 20; i++)
		reads[i] = page_read(i, bufs[i]);
	submit_all(transport, reads, 20);
	reap_all(transport, 20, results);
	for (unsigned i = 0; i < 20; i++) {
		nr_ok += !results[i];
		assert_true(!results[i] || results[i] == -EIO);
		if (!results[i])
			assert_true(pattern_is(SOURCE_MEMORY, reads[i].raddr,
					       bufs[i], PAGE));
	}
	assert_true(nr_ok <= 5);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(read_one(transport, &reads[i]), -EIO);
	check_quiet(transport);
	rig->close(transport);
}

static void close_with_reads_under_way_lets_go_of_buffers(void **state)
{
	struct rig_faults faults = {.delay_ns = 20000000};
	struct transport *transport = open_rig(&faults);
	char *bufs = malloc(16 * PAGE);
	struct transport_read reads[16];

	for (unsigned i = 0; i < 16; i++)
		reads[i] = page_read(i, bufs + (size_t)i * PAGE);
	submit_all(transport, reads, 16);
	rig->close(transport);
	free(bufs); /* a late write is the sanitizer's to find */
}

/* ---- threads ---- */

enum { NR_THREADS = 4, PER_THREAD = 250 };

struct submitter {
	struct transport *transport;
	pthread_t thread;
	unsigned nr;
	char *bufs;
};

static void *submitter_main(void *arg)
{
	struct submitter *me = arg;

	for (unsigned i = 0; i < PER_THREAD; i++) {
		unsigned nr = me->nr * PER_THREAD + i;
		struct transport_read read =
			page_read(nr, me->bufs + (size_t)nr * PAGE);
		int ret;

		while ((ret = me->transport->ops->submit(me->transport, &read,
							 1)) == -EAGAIN)
			(void)sched_yield();
		if (ret != 1)
			return me;
	}
	return NULL;
}

static void four_threads_submit_while_one_reaps(void **state)
{
	enum { ALL = NR_THREADS * PER_THREAD };
	struct transport *transport = open_rig(NULL);
	char *bufs = calloc(ALL, PAGE);
	struct submitter submitters[NR_THREADS];
	unsigned nr = 0;

	for (unsigned i = 0; i < NR_THREADS; i++) {
		submitters[i] = (struct submitter){transport, 0, i, bufs};
		assert_int_equal(pthread_create(&submitters[i].thread, NULL,
						submitter_main, &submitters[i]),
				 0);
	}
	while (nr < ALL) {
		struct transport_done done[32];
		int got = transport->ops->reap(transport, done, 32, 100);

		assert_true(got >= 0);
		for (int i = 0; i < got; i++)
			assert_int_equal(done[i].result, 0);
		nr += (unsigned)got;
		if (!got)
			(void)sched_yield();
	}
	for (unsigned i = 0; i < NR_THREADS; i++) {
		void *failed;

		assert_int_equal(pthread_join(submitters[i].thread, &failed),
				 0);
		assert_null(failed);
	}
	assert_true(
		pattern_is(SOURCE_MEMORY, MEMORY_AT, bufs, (size_t)ALL * PAGE));
	check_quiet(transport);
	free(bufs);
	rig->close(transport);
}

/* Only where pages do not come from afar. */
static void a_copy_is_over_when_it_returns(void **state)
{
	static const struct rig_faults faults = {.fail_every = 2,
						 .fail_result = -EREMOTEIO};
	struct transport *transport = open_rig(&faults);
	static char buf[PAGE];
	struct transport_read read = page_read(3, buf);

	if (transport->ops->copy) {
		assert_int_equal(transport->ops->copy(transport, &read), 0);
		assert_true(pattern_is(SOURCE_MEMORY, read.raddr, buf, PAGE));
		assert_int_equal(transport->ops->copy(transport, &read),
				 -EREMOTEIO);
		read.raddr++;
		assert_int_equal(transport->ops->copy(transport, &read),
				 -EINVAL);
		check_quiet(transport);
	}
	rig->close(transport);
}

static const struct rig *find_rig(const char *name)
{
	static const struct rig *const rigs[] = {
		&rig_null,
		&rig_local,
		&rig_tcp,
		&rig_unix,
		&rig_psk,
#if HAVE_RDMA
		&rig_verbs,
#endif
	};

	for (size_t i = 0; i < sizeof(rigs) / sizeof(rigs[0]); i++)
		if (!strcmp(rigs[i]->name, name))
			return rigs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_and_big_reads_bring_the_sources_bytes),
		cmocka_unit_test(a_read_may_be_repeated),
		cmocka_unit_test(equal_reads_under_way_are_both_answered),
		cmocka_unit_test(a_big_batch_comes_back_once_each),
		cmocka_unit_test(answers_out_of_order_reach_their_buffers),
		cmocka_unit_test(mixed_sizes_out_of_order_reach_their_buffers),
		cmocka_unit_test(a_failed_read_says_so_once_and_harms_no_other),
		cmocka_unit_test(a_released_image_is_estale_per_read),
		cmocka_unit_test(illegal_reads_are_einval),
		cmocka_unit_test(a_batch_is_taken_up_to_its_illegal_read),
		cmocka_unit_test(
			a_full_transport_is_eagain_and_takes_more_later),
		cmocka_unit_test(reap_without_reads_returns_at_once),
		cmocka_unit_test(reap_gives_up_at_its_timeout),
		cmocka_unit_test(fd_is_readable_when_something_is_done),
		cmocka_unit_test(
			a_broken_connection_is_eio_for_all_now_and_later),
		cmocka_unit_test(close_with_reads_under_way_lets_go_of_buffers),
		cmocka_unit_test(four_threads_submit_while_one_reaps),
		cmocka_unit_test(a_copy_is_over_when_it_returns),
	};

	rig = argc == 2 ? find_rig(argv[1]) : NULL;
	if (!rig) {
		(void)fprintf(stderr,
			      "test_transport_contract: which of null, "
			      "local, tcp, unix, psk, verbs?\n");
		return 1;
	}
	if (rig->lack && rig->lack()) {
		(void)fprintf(stderr, "SKIP: %s\n", rig->lack());
		return 77;
	}
	return cmocka_run_group_tests_name(rig->name, tests, NULL, NULL);
}
