/* SPDX-License-Identifier: MIT */
/*
 * test_stash.c - what is put in comes out, within bounds, whoever dies
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/stash.h"
#include "tests/unit/rdmafetch/stasher.h"

/* ---- in and out ---- */

static void what_was_put_comes_out(void **state)
{
	struct stash *stash = open_usual();

	assert_int_equal(all_here(stash), 0);
	put_all(stash);
	assert_int_equal(all_here(stash), NR_PAGES);
	assert_int_equal(stats_of(stash).kept_pages, NR_PAGES);
	assert_int_equal(stats_of(stash).hit_pages, NR_PAGES);
	assert_int_equal(stats_of(stash).miss_pages, NR_PAGES);
	put_all(stash);
	assert_int_equal(stats_of(stash).kept_pages, NR_PAGES);
	stash_close(stash);
}

static void a_restart_finds_it(void **state)
{
	struct stash *stash = open_usual();

	put_all(stash);
	stash_close(stash);
	stash = open_usual();
	assert_int_equal(all_here(stash), NR_PAGES);
	assert_int_equal(stats_of(stash).bad_pages, 0);
	stash_close(stash);
}

static void in_memory_it_ends_with_the_process(void **state)
{
	struct stash_options options = usual();
	struct stash *stash;

	options.dir_fd = -1;
	stash = open_with(&options);
	put_all(stash);
	assert_int_equal(all_here(stash), NR_PAGES);
	stash_close(stash);
	stash = open_with(&options);
	assert_int_equal(all_here(stash), 0);
	stash_close(stash);
}

static void a_look_tells_where_it_changes(void **state)
{
	struct stash *stash = open_usual();
	bool here = true;

	put(stash, SOLID + 10, 20);
	assert_int_equal(
		stash_look(stash, (struct prefetch_run){SOLID, 64}, &here), 10);
	assert_false(here);
	assert_int_equal(
		stash_look(stash, (struct prefetch_run){SOLID + 12, 64}, &here),
		18);
	assert_true(here);
	stash_close(stash);
}

static void the_rest_of_the_pieces_must_be_fetched(void **state)
{
	struct stash *stash = open_usual();
	char *buf = calloc(100, PAGE_BYTES);
	const struct piece range = {(uint64_t)SOLID << PAGE_SHIFT,
				    100 * PAGE_BYTES, buf};
	struct pieces pieces;

	put(stash, SOLID + 70, 10);
	pieces_find(&stasher_image, SOURCE_MEMORY, &range, &pieces);
	assert_int_equal(stash_take(stash, &pieces), 10);
	assert_int_equal(pieces.nr, 2);
	assert_int_equal(pieces.at[0].len_bytes, 70 * PAGE_BYTES);
	assert_int_equal(pieces.at[1].raddr, (uint64_t)(SOLID + 80)
						     << PAGE_SHIFT);
	assert_ptr_equal(pieces.at[1].buf, buf + 80 * PAGE_BYTES);
	assert_int_equal(pieces.at[1].len_bytes, 20 * PAGE_BYTES);
	assert_int_equal(pieces.end, (uint64_t)(SOLID + 100) << PAGE_SHIFT);
	assert_true(is_right(SOLID + 70, buf + 70 * PAGE_BYTES, 10));
	stash_close(stash);
	free(buf);
}

static void too_many_gaps_are_for_the_next_round(void **state)
{
	struct stash *stash = open_usual();
	char *buf = calloc(100, PAGE_BYTES);
	const struct piece range = {(uint64_t)SOLID << PAGE_SHIFT,
				    100 * PAGE_BYTES, buf};
	struct pieces pieces;

	for (unsigned i = 1; i < 100; i += 2)
		put(stash, SOLID + i, 1);
	pieces_find(&stasher_image, SOURCE_MEMORY, &range, &pieces);
	(void)stash_take(stash, &pieces);
	assert_int_equal(pieces.nr, PIECES_MAX);
	assert_int_equal(pieces.end, (uint64_t)(SOLID + 2 * PIECES_MAX)
					     << PAGE_SHIFT);
	for (unsigned i = 1; i < 2 * PIECES_MAX; i += 2)
		assert_true(is_right(SOLID + i, buf + i * PAGE_BYTES, 1));
	stash_close(stash);
	free(buf);
}

/* ---- bounds ---- */

static void the_bound_is_kept(void **state)
{
	struct stash_options options = usual();
	struct stash *stash;
	uint64_t nr;

	options.max_bytes = 1ull << 20;
	stash = open_with(&options);
	put_all(stash);
	nr = all_here(stash);
	assert_true(nr > 200 && nr < 256);
	assert_int_equal(stats_of(stash).evicted_pages + nr, NR_PAGES);
	assert_true(stats_of(stash).used_bytes <= 1u << 20);
	assert_true(blocks_of(file_path()) <= 1u << 20);
	stash_close(stash);

	/* A smaller one next time: some has to go at once. */
	options.max_bytes = 1u << 19;
	stash = open_with(&options);
	assert_true(blocks_of(file_path()) <= 1u << 19);
	assert_true(all_here(stash) > 64);
	stash_close(stash);
}

/*
 * Put in what is not here of @nr_pages: a start of a child.  As the kernel
 * reads, and at odd places, so that chunks come in two parts.
 */
static uint64_t session(uint64_t page, uint64_t nr_pages)
{
	struct stash_options options = usual();
	struct stash *stash;
	uint64_t nr = 0;

	options.max_bytes = 1ull << 20;
	stash = open_with(&options);
	for (uint64_t i = 7; i < nr_pages; i += 32) {
		nr += nr_here(stash, page + i, 32);
		put(stash, page + i, 32);
	}
	stash_close(stash);
	return nr;
}

static void starts_that_need_too_much_find_nearly_what_fits(void **state)
{
	uint64_t nr;

	for (unsigned i = 0; i < 3; i++)
		nr = session(SOLID, 470);
	assert_true(nr > 150);
}

static void what_no_start_needs_any_more_goes(void **state)
{
	(void)session(SOLID, 224);
	(void)session(SOLID, 224);
	(void)session(SOLID + 512, 224); /* another program by now */
	(void)session(SOLID + 512, 224);
	assert_true(session(SOLID + 512, 224) > 150);
}

static void a_bound_without_room_is_refused(void **state)
{
	struct stash_options options = usual();
	struct stash *stash = NULL;

	options.max_bytes = 32768;
	assert_int_equal(stash_open(&options, &stash), -EFBIG);
	options.dir_fd = -1;
	assert_int_equal(stash_open(&options, &stash), -EFBIG);
	assert_null(stash);
}

static void in_memory_the_bound_is_kept_too(void **state)
{
	struct stash_options options = usual();
	struct stash *stash;

	options.max_bytes = 1u << 20;
	options.dir_fd = -1;
	stash = open_with(&options);
	put_all(stash);
	assert_true(all_here(stash) > 200);
	assert_true(stats_of(stash).used_bytes <= 1u << 20);
	stash_close(stash);
}

static void no_room_on_the_disk_does_no_harm(void **state)
{
	const struct rlimit none = {300000, RLIM_INFINITY};
	struct rlimit old;
	struct stash *stash = open_usual();

	put(stash, SOLID, 16);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	put_all(stash);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(stats_of(stash).failed_pages > 0);
	assert_true(all_here(stash) >= 16);
	stash_close(stash);
}

/* ---- a directory that cannot be asked ---- */

/* Leave @nr descriptors to be had; the limit as it was. */
static struct rlimit leave_descriptors(unsigned nr)
{
	struct rlimit old, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 0;
	for (int fd = 0; nr; fd++) {
		nr -= fcntl(fd, F_GETFD) < 0;
		few.rlim_cur = (rlim_t)fd + 1;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	return old;
}

static char *file_bytes(size_t *ret_len)
{
	int fd = open(file_path(), O_RDONLY | O_CLOEXEC);
	off_t len = lseek(fd, 0, SEEK_END);
	char *bytes = malloc((size_t)len);

	assert_true(len > 0 && bytes);
	assert_int_equal(io_pread_all(fd, bytes, (size_t)len, 0), 0);
	(void)close(fd);
	*ret_len = (size_t)len;
	return bytes;
}

/* Enough to claim the file, and one too few to look at the others. */
static void an_error_of_the_first_grant_takes_nothing(void **state)
{
	struct stash_options options = usual();
	struct stash *stash = open_usual();
	char *before, *after;
	size_t len, new_len;
	struct rlimit old;
	int err;

	put_all(stash);
	stash_close(stash);
	stash = NULL;
	before = file_bytes(&len);
	old = leave_descriptors(2);
	err = stash_open(&options, &stash);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(err, -EMFILE);
	after = file_bytes(&new_len);
	assert_int_equal(new_len, len);
	assert_memory_equal(after, before, len);
	free(after);
	free(before);
	stash = open_usual();
	assert_int_equal(all_here(stash), NR_PAGES);
	stash_close(stash);
}

static void an_error_of_a_later_one_passes(void **state)
{
	struct stash *stash = open_usual();
	struct rlimit old = leave_descriptors(0);

	put_all(stash);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(stats_of(stash).evicted_pages > 0);
	assert_true(all_here(stash) < NR_PAGES);
	for (unsigned i = 0; i < 300 && all_here(stash) < NR_PAGES; i++) {
		(void)usleep(100000);
		put_all(stash);
	}
	assert_int_equal(all_here(stash), NR_PAGES);
	stash_close(stash);
}

/* ---- the death of who writes ---- */

/* Put pages in and, with too little room, throw others out, for ever. */
static void write_for_ever(int ready_fd, uint64_t max_bytes)
{
	struct stash_options options = usual();
	struct stash *stash = NULL;

	options.max_bytes = max_bytes;
	if (stash_open(&options, &stash))
		_exit(1);
	for (unsigned i = 0;; i++) {
		put(stash, SOLID + i * 7 % 990, 1 + i % 10);
		put(stash, SINGLES + i * 3 % 390, 8);
		if (i == 3)
			(void)write(ready_fd, "r", 1);
	}
}

static void a_kill_leaves_what_is_right(void **state)
{
	uint64_t nr_found = 0;

	srandom(5);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t max = i % 2 ? 1ull << 20 : BIG;
		struct stash_options options = usual();
		struct stash *stash;
		int fds[2];
		char byte;
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (!pid)
			write_for_ever(fds[1], max);
		(void)close(fds[1]);
		assert_int_equal(read(fds[0], &byte, 1), 1);
		(void)close(fds[0]);
		(void)usleep((unsigned)random() % 4000);
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		options.max_bytes = max;
		stash = open_with(&options);
		nr_found += all_here(stash);
		assert_int_equal(stats_of(stash).bad_pages, 0);
		if (i % 2)
			assert_true(blocks_of(file_path()) <= max);
		stash_close(stash);
	}
	assert_true(nr_found > 0);
}

/* ---- many threads ---- */

struct worker {
	pthread_t thread;
	struct stash *stash;
	unsigned seed;
	bool wrong;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	char *buf = malloc(40 * PAGE_BYTES);

	for (unsigned i = 0; i < 3000; i++) {
		struct prefetch_run run = {
			SOLID + (unsigned)rand_r(&worker->seed) % 960,
			1 + (unsigned)rand_r(&worker->seed) % 40};

		if (rand_r(&worker->seed) % 2) {
			fill(run.first_page, buf, run.nr_pages);
			stash_put(worker->stash, run, buf);
		} else if (stash_get(worker->stash, run, buf)) {
			worker->wrong |=
				!is_right(run.first_page, buf, run.nr_pages);
		}
	}
	free(buf);
	return NULL;
}

static void threads_at_it_together_are_right(void **state)
{
	struct stash_options options = usual();
	struct worker workers[6];
	struct stash *stash;

	options.max_bytes = 2u << 20;
	stash = open_with(&options);
	for (unsigned i = 0; i < 6; i++) {
		workers[i] = (struct worker){.stash = stash, .seed = i};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work,
						&workers[i]),
				 0);
	}
	for (unsigned i = 0; i < 6; i++) {
		(void)pthread_join(workers[i].thread, NULL);
		assert_false(workers[i].wrong);
	}
	assert_true(stats_of(stash).evicted_pages > 0);
	assert_true(stats_of(stash).hit_pages > 0);
	assert_int_equal(stats_of(stash).bad_pages, 0);
	assert_int_equal(stats_of(stash).failed_pages, 0);
	assert_true(stats_of(stash).used_bytes <= 2u << 20);
	assert_true(blocks_of(file_path()) <= 2u << 20);
	stash_close(stash);
}

#define TEST(name) cmocka_unit_test_setup(name, stasher_empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_comes_out),
		TEST(a_restart_finds_it),
		TEST(in_memory_it_ends_with_the_process),
		TEST(a_look_tells_where_it_changes),
		TEST(the_rest_of_the_pieces_must_be_fetched),
		TEST(too_many_gaps_are_for_the_next_round),
		TEST(the_bound_is_kept),
		TEST(starts_that_need_too_much_find_nearly_what_fits),
		TEST(what_no_start_needs_any_more_goes),
		TEST(a_bound_without_room_is_refused),
		TEST(in_memory_the_bound_is_kept_too),
		TEST(no_room_on_the_disk_does_no_harm),
		TEST(an_error_of_the_first_grant_takes_nothing),
		TEST(an_error_of_a_later_one_passes),
		TEST(a_kill_leaves_what_is_right),
		TEST(threads_at_it_together_are_right),
	};

	return cmocka_run_group_tests(tests, stasher_set_up, stasher_tear_down);
}
