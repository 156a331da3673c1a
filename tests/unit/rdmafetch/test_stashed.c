/* SPDX-License-Identifier: MIT */
/*
 * test_stashed.c - a fetch with a stash: what the transport is not asked for
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/null.h"
#include "rdmafetch/stash_dir.h"
#include "tests/contract/gate.h"
#include "tests/unit/rdmafetch/reader.h"

#define SOLID_PAGES 256u

/* ---- a sink that counts, and checks ---- */

static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t sunk_pages;
static bool sunk_wrong;

static int sink(void *arg, uint64_t first_page, uint64_t nr_pages,
		const void *buf)
{
	(void)pthread_mutex_lock(&sink_lock);
	sunk_pages += nr_pages;
	sunk_wrong |= !reader_pages_right(first_page, buf, nr_pages);
	(void)pthread_mutex_unlock(&sink_lock);
	return 0;
}

/* ---- rigs ---- */

static char dir_path[] = "/tmp/test_stashed.XXXXXX";
static int dir_fd = -1;

static struct stash *open_stash(uint64_t max_bytes)
{
	const struct stash_options options = {
		.image = &reader_image,
		.desc = "of the reader",
		.desc_bytes = 13,
		.dir_fd = dir_fd,
		.max_bytes = max_bytes,
	};
	struct stash *stash = NULL;

	assert_int_equal(stash_open(&options, &stash), 0);
	return stash;
}

static struct fetch *open_fetch(struct stash *stash,
				const struct null_options *faults)
{
	const struct fetch_options options = {
		.image = &reader_image,
		.timeout_ms = 10000,
		.tries = 2,
		.sink = sink,
		.stash = stash,
	};
	struct transport *transport = NULL;
	struct fetch *fetch = NULL;

	sunk_pages = 0;
	sunk_wrong = false;
	assert_int_equal(null_open(faults, &transport), 0);
	assert_int_equal(fetch_open(transport, &options, &fetch), 0);
	return fetch;
}

/* Fault pages as a mount does: read, answer, keep. */
static void fault(struct fetch *fetch, uint64_t page, uint64_t nr_pages)
{
	size_t len = nr_pages << PAGE_SHIFT;
	char *buf = malloc(len);

	memset(buf, 0x5a, len);
	assert_int_equal(fetch_fault(fetch, page << PAGE_SHIFT, buf, len), 0);
	assert_true(reader_pages_right(page, buf, nr_pages));
	fetch_keep(fetch, page << PAGE_SHIFT, buf, len);
	free(buf);
}

/* As the eager mode does: what does not come is asked for again. */
static void bring_all(struct fetch *fetch)
{
	for (int i = 0; i < 8; i++) {
		assert_int_equal(fetch_ahead(fetch, BASE_PAGE - 100, 10000), 0);
		assert_true(fetch_wait_ahead(fetch, 10000));
	}
}

static uint64_t pages_read(struct fetch *fetch)
{
	return page_of(reader_stats(fetch).read_bytes);
}

/* A stash that has all. */
static void fill(void)
{
	struct stash *stash = open_stash(64 << 20);
	struct fetch *fetch = open_fetch(stash, NULL);

	bring_all(fetch);
	fetch_close(fetch);
	stash_close(stash);
}

/* Flip a byte of each page in the file. */
static void damage_all(void)
{
	struct stash_head head;
	char name[STASH_NAME_BYTES];
	int fd;

	stash_head_of("of the reader", 13, READER_PRESENT_PAGES, &head);
	stash_name(&head, name);
	fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (unsigned i = 0; i < READER_PRESENT_PAGES; i++) {
		off_t at = (off_t)stash_data_at(READER_PRESENT_PAGES, i) + i;
		char byte;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	(void)close(fd);
}

/* ---- demand ---- */

static void what_was_faulted_is_not_fetched_again(void **state)
{
	struct stash *stash = open_stash(64 << 20);
	struct fetch *fetch = open_fetch(stash, NULL);

	fault(fetch, BASE_PAGE, 1000);
	assert_int_equal(pages_read(fetch), READER_PRESENT_PAGES);
	fault(fetch, BASE_PAGE, 1000);
	assert_int_equal(pages_read(fetch), READER_PRESENT_PAGES);
	fetch_close(fetch);

	/* Nor by a mount after this one. */
	stash_close(stash);
	stash = open_stash(64 << 20);
	fetch = open_fetch(stash, NULL);
	fault(fetch, BASE_PAGE, 1000);
	assert_int_equal(pages_read(fetch), 0);
	assert_int_equal(reader_stats(fetch).stash.hit_pages,
			 READER_PRESENT_PAGES);
	assert_int_equal(reader_stats(fetch).here_pages, READER_PRESENT_PAGES);
	assert_int_equal(reader_stats(fetch).faulted_pages,
			 READER_PRESENT_PAGES);
	fetch_close(fetch);
	stash_close(stash);
}

static void the_gaps_are_fetched(void **state)
{
	struct stash *stash = open_stash(64 << 20);
	struct fetch *fetch = open_fetch(stash, NULL);

	for (unsigned i = 0; i < SOLID_PAGES; i += 2)
		fault(fetch, BASE_PAGE + i, 1);
	fault(fetch, BASE_PAGE + 60, 3);
	assert_int_equal(pages_read(fetch), SOLID_PAGES / 2 + 1);
	fault(fetch, BASE_PAGE, SOLID_PAGES);
	assert_int_equal(pages_read(fetch), SOLID_PAGES);
	assert_int_equal(reader_stats(fetch).here_pages, SOLID_PAGES);
	fetch_close(fetch);
	stash_close(stash);
}

static void other_objects_are_not_stashed(void **state)
{
	struct stash *stash = open_stash(64 << 20);
	struct fetch *fetch = open_fetch(stash, NULL);
	char buf[PAGE_BYTES];

	for (int i = 0; i < 2; i++)
		assert_int_equal(
			fetch_read(fetch, SOURCE_EXE, 0, buf, PAGE_BYTES), 0);
	assert_int_equal(pages_read(fetch), 2);
	fetch_close(fetch);
	stash_close(stash);
}

static void a_lost_parent_leaves_what_is_stashed(void **state)
{
	const struct null_options faults = {.break_after = 1};
	struct stash *stash = open_stash(64 << 20);
	struct fetch *fetch = open_fetch(stash, &faults);
	char buf[PAGE_BYTES];

	fault(fetch, BASE_PAGE, 100);
	assert_int_equal(
		fetch_fault(fetch, BASE + 100 * PAGE_BYTES, buf, PAGE_BYTES),
		-EIO);
	for (unsigned i = 0; i < 100; i += 7)
		fault(fetch, BASE_PAGE + i, 3 < 100 - i ? 3 : 100 - i);
	assert_int_equal(
		fetch_fault(fetch, BASE + 100 * PAGE_BYTES, buf, PAGE_BYTES),
		-EIO);
	fetch_close(fetch);
	stash_close(stash);
}

/* ---- ahead ---- */

static void all_ahead_comes_from_a_full_stash(void **state)
{
	struct stash *stash;
	struct fetch *fetch;

	fill();
	stash = open_stash(64 << 20);
	fetch = open_fetch(stash, NULL);
	bring_all(fetch);
	assert_int_equal(pages_read(fetch), 0);
	assert_int_equal(reader_stats(fetch).here_pages, READER_PRESENT_PAGES);
	fetch_close(fetch);
	assert_int_equal(sunk_pages, READER_PRESENT_PAGES);
	assert_false(sunk_wrong);
	stash_close(stash);
}

static void a_damaged_stash_is_fetched_anew(void **state)
{
	struct stash *stash;
	struct fetch *fetch;

	fill();
	damage_all();
	stash = open_stash(64 << 20);
	fetch = open_fetch(stash, NULL);
	fault(fetch, BASE_PAGE + 5, 50);
	bring_all(fetch);
	fault(fetch, BASE_PAGE, 1000);
	assert_int_equal(reader_stats(fetch).stash.bad_pages,
			 READER_PRESENT_PAGES);
	assert_int_equal(pages_read(fetch), READER_PRESENT_PAGES);
	fetch_close(fetch);
	assert_int_equal(sunk_pages, READER_PRESENT_PAGES - 50);
	assert_false(sunk_wrong);

	/* And has been made good. */
	fetch = open_fetch(stash, NULL);
	bring_all(fetch);
	assert_int_equal(pages_read(fetch), 0);
	fetch_close(fetch);
	stash_close(stash);
}

/* Until all reads have ended; false after ten seconds. */
static bool wait_for_reads(struct fetch *fetch)
{
	for (int i = 0; i < 10000; i++) {
		if (!reader_stats(fetch).demand_waiting)
			return true;
		(void)usleep(1000);
	}
	return false;
}

/*
 * The first fault is the stash's, and asks for what is behind it; the second
 * wants that, and can only sleep while the first is still submitting.
 */
static void who_joins_behind_the_stash_is_not_left_asleep(void **state)
{
	enum { AHEAD = 8, HERE = SOLID_PAGES - AHEAD };
	struct stash *stash = open_stash(64 << 20);
	struct fetch *fetch = open_fetch(stash, NULL);
	const struct fetch_options options = {
		.image = &reader_image,
		.policy = &prefetch_next,
		.prefetch_pages = AHEAD,
		.timeout_ms = 10000,
		.tries = 2,
		.stash = stash,
	};
	struct reader first, second;
	struct gate *gate;

	fault(fetch, BASE_PAGE, HERE);
	fetch_close(fetch);
	fetch = reader_open_gate(&options, true, &gate);
	gate_hold(gate, true);
	reader_start(&first, fetch, BASE_PAGE + HERE - 1, 1);
	assert_true(gate_wait(gate, 1));
	reader_start(&second, fetch, BASE_PAGE + HERE, AHEAD);
	assert_true(reader_wait_shared(fetch, AHEAD));
	gate_hold(gate, false);
	reader_end(&first, 0);
	gate_let(gate, GATE_ALL, 0);
	assert_true(wait_for_reads(fetch));
	reader_end(&second, 0);
	assert_int_equal(gate_nr(gate), 1);
	fetch_close(fetch);
	stash_close(stash);
}

/* ---- all at once ---- */

static void *fault_main(void *arg)
{
	struct fetch *fetch = arg;
	char *buf = malloc(40 * PAGE_BYTES);
	unsigned seed = (unsigned)pthread_self();
	uintptr_t wrong = 0;

	for (int i = 0; i < 500; i++) {
		uint64_t page = BASE_PAGE + (uint64_t)rand_r(&seed) % 960;
		uint64_t nr = 1 + (uint64_t)rand_r(&seed) % 40;
		uint64_t raddr = page << PAGE_SHIFT, len = nr << PAGE_SHIFT;

		wrong |= fetch_fault(fetch, raddr, buf, len) != 0;
		wrong |= !reader_pages_right(page, buf, nr);
		fetch_keep(fetch, raddr, buf, len);
	}
	free(buf);
	return (void *)wrong;
}

static void many_faults_and_too_little_room_are_right(void **state)
{
	struct stash *stash = open_stash(1 << 20);
	struct fetch *fetch = open_fetch(stash, NULL);
	pthread_t threads[4];
	void *wrong;

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, fault_main, fetch),
			0);
	for (unsigned i = 0; i < 4; i++)
		(void)fetch_ahead(fetch, BASE_PAGE, 1000);
	for (unsigned i = 0; i < 4; i++) {
		(void)pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	assert_true(fetch_wait_ahead(fetch, 10000));
	assert_true(reader_stats(fetch).stash.evicted_pages > 0);
	assert_true(reader_stats(fetch).stash.hit_pages > 0);
	assert_int_equal(reader_stats(fetch).stash.bad_pages, 0);
	fetch_close(fetch);
	assert_false(sunk_wrong);
	stash_close(stash);
}

/* ---- */

static int empty(void **state)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf %s/*", dir_path);
	return system(command);
}

static int set_up(void **state)
{
	char why[STASH_WHY_MAX + 1];

	reader_setup();
	if (!mkdtemp(dir_path))
		return -1;
	return stash_dir_open(dir_path, &dir_fd, why);
}

static int tear_down(void **state)
{
	(void)empty(state);
	return rmdir(dir_path);
}

#define TEST(name) cmocka_unit_test_setup(name, empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_faulted_is_not_fetched_again),
		TEST(the_gaps_are_fetched),
		TEST(other_objects_are_not_stashed),
		TEST(a_lost_parent_leaves_what_is_stashed),
		TEST(all_ahead_comes_from_a_full_stash),
		TEST(a_damaged_stash_is_fetched_anew),
		TEST(who_joins_behind_the_stash_is_not_left_asleep),
		TEST(many_faults_and_too_little_room_are_right),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
