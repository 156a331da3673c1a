/* SPDX-License-Identifier: MIT */
/*
 * test_harm.c - a hundred snapshots of a busy process leave nothing behind
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parent/snapshot.h"
#include "tests/unit/parent/busy.h"
#include "tests/unit/parent/watch.h"

#define SNAPSHOTS 100

static char *(*const looks[])(pid_t) = {watch_maps, watch_threads, watch_fds,
					watch_children};

#define LOOKS (sizeof(looks) / sizeof(*looks))

static void assert_same(pid_t pid, char *const before[LOOKS])
{
	for (size_t i = 0; i < LOOKS; i++) {
		char *after = looks[i](pid);

		if (strcmp(before[i], after) != 0)
			fail_msg("before:\n%s\nafter:\n%s", before[i], after);
		free(after);
	}
}

/* Exit status: 0, or how far it came. */
static void take_all(const struct busy *busy)
{
	const struct snapshot_options options = {2000, 1 << 20};
	char *fds = watch_fds(getpid()), *after;
	struct snapshot *snapshot;
	struct refusal why;

	for (int i = 1; i <= SNAPSHOTS; i++) {
		int rc = snapshot_take(busy->pid, &options, &snapshot, &why);

		if (rc || snapshot->image->nr_threads != 5) {
			(void)fprintf(stderr, "%d %s\n", rc, why.why);
			_exit(i);
		}
		snapshot_release(snapshot);
	}
	/* One process more: opendir() of /proc/self/fd is in both. */
	after = watch_fds(getpid());
	if (strcmp(fds, after) != 0)
		_exit(101);
	if (waitpid(-1, NULL, WNOHANG | __WALL) != -1 || errno != ECHILD)
		_exit(102);
	_exit(0);
}

static void hundred_snapshots(void **state)
{
	char *before[LOOKS];
	struct busy busy;
	int status;
	pid_t taker;

	(void)state;
	assert_int_equal(busy_start(&busy), 0);
	for (size_t i = 0; i < LOOKS; i++)
		before[i] = looks[i](busy.pid);
	taker = fork();
	if (taker == 0)
		take_all(&busy);
	assert_int_equal(waitpid(taker, &status, 0), taker);
	assert_int_equal(status, 0);
	assert_same(busy.pid, before);
	assert_int_equal(busy_wait_round(&busy), 0);
	assert_null(busy_end(&busy));
	for (size_t i = 0; i < LOOKS; i++)
		free(before[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hundred_snapshots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
