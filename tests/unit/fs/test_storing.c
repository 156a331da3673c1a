/* SPDX-License-Identifier: MIT */
/*
 * test_storing.c - what came before there is a mount waits for it, and for
 * nothing when there will be none
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "fs/session.h"
#include "fs/storing.h"
#include "rdmafetch/null.h"
#include "tests/unit/fs/sample.h"

struct sinker {
	struct storing storing;
	atomic_int is_done;
	int result;
};

static void *sink(void *arg)
{
	static const char page[4096];
	struct sinker *sinker = arg;

	sinker->result = storing_sink(&sinker->storing, 16, 1, page);
	sinker->is_done = 1;
	return NULL;
}

static void what_waits_ends_when_there_is_no_mount(void **state)
{
	const struct timespec while_ns = {.tv_nsec = 50000000};
	struct sinker sinker = {.result = 1};
	pthread_t thread;

	storing_init(&sinker.storing);
	assert_int_equal(pthread_create(&thread, NULL, sink, &sinker), 0);
	(void)nanosleep(&while_ns, NULL);
	assert_false(sinker.is_done);
	storing_end(&sinker.storing);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(sinker.result, -ECANCELED);
	storing_begin(&sinker.storing); /* too late */
	(void)sink(&sinker);
	assert_int_equal(sinker.result, -ECANCELED);
}

/* Not even to the warm file: there is none here. */
static void nothing_is_stored_at_the_end(void **state)
{
	struct sinker sinker = {.result = 1};

	storing_init(&sinker.storing);
	storing_begin(&sinker.storing);
	storing_stop(&sinker.storing);
	(void)sink(&sinker);
	assert_int_equal(sinker.result, -ECANCELED);
}

static void null_words(void *arg, char *text)
{
	(void)strcpy(text, "null");
}

/* Pages of a replay are here by then, and wait to be stored. */
static void a_mount_that_fails_leaves_nothing_waiting(void **state)
{
	char *argv[] = {"mitosisfs", "local:/pid/77",
			"/tmp/mitosis-there-is-no-such-place"};
	struct workset trace = {0};
	struct options options;
	struct session *session = NULL;
	struct image *image = sample_image();
	struct session_image from = {
		.image = image,
		.desc = "desc",
		.desc_bytes = 4,
		.trace = &trace,
		.origin = {.source = "local:/pid/77",
			   .transport = null_words,
			   .name = "",
			   .image = image},
	};

	assert_int_equal(workset_add(&trace, 0x12, 2), 0);
	assert_int_equal(workset_add(&trace, 0x19, 1), 0);
	assert_int_equal(options_parse(3, argv, &options), 0);
	assert_int_equal(null_open(NULL, &from.transport), 0);
	(void)alarm(30); /* or it hangs */
	assert_true(session_open(&options, &from, &session) < 0);
	assert_null(session);
	(void)alarm(0);
	workset_done(&trace);
	image_free(image);
	options_done(&options);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_ends_when_there_is_no_mount),
		cmocka_unit_test(nothing_is_stored_at_the_end),
		cmocka_unit_test(a_mount_that_fails_leaves_nothing_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
