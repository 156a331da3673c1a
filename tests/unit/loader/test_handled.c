/* SPDX-License-Identifier: MIT */
/*
 * test_handled.c - who runs a handler when the child begins, and what for
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loader/handled.h"

#define BIT(signo) (UINT64_C(1) << ((signo)-1))
#define HANDLER	   0x401000u
#define ROOM	   4

struct fixture {
	struct image image;
	struct image_thread threads[3];
	struct image_pending pending[ROOM];
	int32_t *tids;
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	for (int i = 0; i < 3; i++)
		fix->threads[i].tid = 50 + i;
	fix->image.threads = fix->threads;
	fix->image.nr_threads = 3;
	fix->image.pending = fix->pending;
	for (int signo = 1; signo <= 64; signo++)
		fix->image.sigactions[signo - 1].handler = HANDLER;
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	free(fix->tids);
	free(fix);
	return 0;
}

static void add(struct fixture *fix, int32_t tid, int32_t signo)
{
	struct image_pending *row = &fix->pending[fix->image.nr_pending++];

	row->tid = tid;
	memcpy(row->siginfo, &signo, sizeof(signo));
}

static void decide(struct fixture *fix)
{
	assert_int_equal(handled_decide(&fix->image, &fix->tids), 0);
}

static enum frame_handler first(const struct fixture *fix, int thread)
{
	return handled_first(&fix->image, fix->tids, &fix->threads[thread]);
}

static void the_leader_has_what_it_does_not_block(void **state)
{
	struct fixture *fix = *state;

	add(fix, 0, SIGUSR1);
	decide(fix);
	assert_int_equal(fix->tids[0], 50);
	assert_int_equal(first(fix, 0), FRAME_HANDLER_ENDS);
	assert_int_equal(first(fix, 1), FRAME_NO_HANDLER);
}

static void else_the_first_who_may(void **state)
{
	struct fixture *fix = *state;

	fix->threads[0].sigmask = fix->threads[1].sigmask = BIT(SIGUSR1);
	add(fix, 0, SIGUSR1);
	decide(fix);
	assert_int_equal(fix->tids[0], 52);
	assert_int_equal(first(fix, 0), FRAME_NO_HANDLER);
	assert_int_equal(first(fix, 2), FRAME_HANDLER_ENDS);
}

static void what_all_block_waits(void **state)
{
	struct fixture *fix = *state;

	for (int i = 0; i < 3; i++)
		fix->threads[i].sigmask = BIT(SIGUSR1);
	add(fix, 0, SIGUSR1);
	add(fix, 51, SIGUSR1);
	decide(fix);
	assert_int_equal(fix->tids[0], 0);
	assert_int_equal(fix->tids[1], 51);
	for (int i = 0; i < 3; i++)
		assert_int_equal(first(fix, i), FRAME_NO_HANDLER);
}

static void without_a_handler_nothing_is_ended(void **state)
{
	struct fixture *fix = *state;

	fix->image.sigactions[SIGCHLD - 1].handler = (uintptr_t)SIG_DFL;
	fix->image.sigactions[SIGUSR1 - 1].handler = (uintptr_t)SIG_IGN;
	add(fix, 0, SIGCHLD);
	add(fix, 50, SIGUSR1);
	decide(fix);
	assert_int_equal(fix->tids[0], 0);
	assert_int_equal(first(fix, 0), FRAME_NO_HANDLER);
}

/* A second one of a standard signal would be lost in one queue. */
static void a_thread_with_one_of_its_own_gets_no_second(void **state)
{
	struct fixture *fix = *state;

	add(fix, 0, SIGUSR1);
	add(fix, 50, SIGUSR1);
	add(fix, 0, 40);
	add(fix, 50, 40);
	decide(fix);
	assert_int_equal(fix->tids[0], 0);
	assert_int_equal(fix->tids[2], 50);
}

static void the_first_handler_decides(void **state)
{
	struct fixture *fix = *state;

	fix->image.sigactions[SIGUSR1 - 1].flags = SA_RESTART;
	add(fix, 50, SIGTERM);
	add(fix, 50, SIGUSR1);
	decide(fix);
	assert_int_equal(first(fix, 0), FRAME_HANDLER_RESTARTS);
	/* One that the thread has caused goes before all others. */
	fix->image.sigactions[SIGSYS - 1].flags = 0;
	add(fix, 50, SIGSYS);
	free(fix->tids);
	decide(fix);
	assert_int_equal(first(fix, 0), FRAME_HANDLER_ENDS);
}

#define TEST(function)                                                         \
	cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_leader_has_what_it_does_not_block),
		TEST(else_the_first_who_may),
		TEST(what_all_block_waits),
		TEST(without_a_handler_nothing_is_ended),
		TEST(a_thread_with_one_of_its_own_gets_no_second),
		TEST(the_first_handler_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
