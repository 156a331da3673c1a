/* SPDX-License-Identifier: MIT */
/*
 * test_errand.c - who is killed in the pause, and an errand without an end,
 * cost the snapshot and not the target
 */
#include "tests/unit/parent/cmocka_env.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/parse.h"
#include "parent/errand.h"
#include "parent/keeper.h"
#include "parent/procfs.h"
#include "parent/snapshot.h"
#include "parent/tracee.h"
#include "tests/unit/parent/busy.h"
#include "tests/unit/parent/steps.h"
#include "tests/unit/parent/watch.h"

#define STEPS_MAX   2000
#define BIRTH_STEPS 4
#define HANG_MS	    60000

/* What the process that takes the snapshot does, and tells. */
static struct {
	bool hold;	/* the helper never gets to run */
	uint64_t leaps; /* then, ns by which the clock leaps at each look */
	volatile bool held, reached;
	volatile pid_t killed;
	volatile unsigned step,
		born_step; /* the last; before the helper runs */
	struct refusal why;
} * play;

static struct busy busy;

static bool is_a_thread(pid_t tid)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d", busy.pid, tid);
	return access(path, F_OK) == 0;
}

int __real_tracee_resume(pid_t tid, bool syscall_stops);
int __wrap_tracee_resume(pid_t tid, bool syscall_stops);
uint64_t __real_io_monotonic_ns(void);
uint64_t __wrap_io_monotonic_ns(void);

int __wrap_tracee_resume(pid_t tid, bool syscall_stops)
{
	const bool is_thread = is_a_thread(tid);

	if (!is_thread && !play->born_step)
		play->born_step = play->step;
	if (!play->hold || is_thread)
		return __real_tracee_resume(tid, syscall_stops);
	play->held = true;
	return 0;
}

uint64_t __wrap_io_monotonic_ns(void)
{
	static uint64_t leapt;

	leapt += play->held ? play->leaps : 0;
	return __real_io_monotonic_ns() + leapt;
}

/* The helper (a child of the target's) or the twin that we trace, or 0. */
static pid_t find_born(bool helper)
{
	CLEANUP_CLOSEDIR DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (proc && !found && (entry = readdir(proc))) {
		struct procfs_status status;
		uint64_t pid;

		if (parse_u64(entry->d_name, 1, INT32_MAX, &pid) ||
		    (pid_t)pid == busy.pid ||
		    procfs_status((pid_t)pid, 0, &status))
			continue;
		if (status.tracer_pid == getpid() && status.state != 'Z' &&
		    (status.ppid == busy.pid) == helper)
			found = (pid_t)pid;
		procfs_status_free(&status);
	}
	return found;
}

static bool is_gone(pid_t pid)
{
	struct procfs_status status;
	bool gone = true;

	if (procfs_status(pid, 0, &status) == 0) {
		gone = status.state == 'Z' || status.state == 'X';
		procfs_status_free(&status);
	}
	return gone;
}

static unsigned fatal_step;
static bool fatal_to_helper;

/* It has a moment to be born, and then to be dead. */
static void kill_at(unsigned step)
{
	pid_t pid;

	play->step = step;
	if (step != fatal_step)
		return;
	play->reached = true;
	(void)usleep(2000);
	pid = find_born(fatal_to_helper);
	if (!pid)
		return;
	(void)kill(pid, SIGKILL);
	for (int i = 0; i < 1000 && !is_gone(pid); i++)
		(void)usleep(100);
	play->killed = pid;
}

/* At what snapshot_take() returns, or fails for one that hangs. */
static int outcome_of(pid_t child)
{
	int status;

	for (int i = 0; waitpid(child, &status, WNOHANG) == 0; i++) {
		if (i == HANG_MS) {
			(void)kill(child, SIGKILL);
			(void)waitpid(child, &status, 0);
			fail_msg("step %u: it hangs", fatal_step);
		}
		(void)usleep(1000);
	}
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static int take(int maker_fd)
{
	const struct snapshot_options options = {5000, 1 << 20, maker_fd};
	struct snapshot *snapshot;
	pid_t child;

	play->killed = 0;
	play->held = play->reached = false;
	child = fork();
	if (child == 0) {
		int rc;

		steps_begin(kill_at);
		rc = snapshot_take(busy.pid, &options, &snapshot, &play->why);
		if (rc == 0)
			snapshot_release(snapshot);
		_exit(-rc);
	}
	return outcome_of(child);
}

static char *threads;

static void begin(void)
{
	memset(play, 0, sizeof(*play));
	fatal_step = 0;
	assert_int_equal(busy_start(&busy), 0);
	threads = watch_threads(busy.pid);
}

static void examine(void)
{
	CLEANUP_FREE char *now = watch_until(watch_threads, busy.pid, threads);
	CLEANUP_FREE char *children = watch_until(watch_children, busy.pid, "");

	if (strcmp(now, threads) != 0 || *children)
		fail_msg("step %u:\n%s\nwas:\n%s\nchildren: %s", fatal_step,
			 now, threads, children);
	if (busy_wait_round(&busy) || busy_complaint(&busy))
		fail_msg("step %u: %s", fatal_step,
			 busy_complaint(&busy) ? busy_complaint(&busy)
					       : "it hangs");
}

static void end(void)
{
	const char *complaint = busy_end(&busy);

	free(threads);
	if (complaint)
		fail_msg("%s", complaint);
}

/* How many refusals said @words.  Whoever was killed, all else goes on. */
static unsigned kill_at_each_step(bool helper, const char *words)
{
	unsigned refused = 0;

	begin();
	fatal_to_helper = helper;
	assert_int_equal(take(0), 0);
	/* It is seen by two waits, and before that it may be born already. */
	assert_true(play->born_step > BIRTH_STEPS);
	fatal_step = play->born_step - BIRTH_STEPS;
	do {
		int rc;

		assert_true(++fatal_step < STEPS_MAX);
		rc = take(0);
		if (rc && (!play->killed || rc != -ECANCELED))
			fail_msg("step %u: %d %s", fatal_step, rc,
				 play->why.why);
		refused += rc && strstr(play->why.why, words);
		examine();
	} while (play->reached);
	end();
	return refused;
}

static void the_twin_is_killed(void **state)
{
	(void)state;
	assert_true(kill_at_each_step(false, "killed") > 20);
}

static void the_helper_is_killed(void **state)
{
	unsigned refused = 0;

	(void)state;
	/* It lives for a moment, in which a kill does not always come. */
	for (unsigned i = 0; i < 20 && !refused; i++)
		refused = kill_at_each_step(true, "killed in the pause");
	assert_true(refused > 0);
}

static void the_kernel_takes_too_long(void **state)
{
	int rc;

	(void)state;
	begin();
	play->hold = true;
	play->leaps = 2ull * ERRAND_LIMIT_MS * 1000000;
	rc = take(0);
	if (rc != -ETIMEDOUT || !strstr(play->why.why, "30 s"))
		fail_msg("%d %s", rc, play->why.why);
	examine();
	end();
}

static void nobody_wants_it_any_more(void **state)
{
	int socks[2];

	(void)state;
	begin();
	play->hold = true;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	(void)close(socks[1]);
	assert_int_equal(take(socks[0]), -ECANCELED);
	(void)close(socks[0]);
	examine();
	end();
}

static void wait_held(void)
{
	for (int i = 0; i < HANG_MS && !play->held; i++)
		(void)usleep(1000);
	assert_true(play->held);
}

/* Before it is killed: its target may not bear that, under seccomp. */
static void the_keeper_is_called_off(void **state)
{
	struct keeper_request request = {.snapshot.shared_max_bytes = 1 << 20};
	const struct keeper_result *result;
	struct keeper *keeper;
	struct refusal why;

	(void)state;
	begin();
	request.pid = busy.pid;
	play->hold = true;
	assert_int_equal(keeper_start(&request, &keeper), 0);
	wait_held();
	keeper_call_off(keeper);
	assert_int_equal(keeper_finish(keeper, &result, &why), -ECANCELED);
	examine();
	keeper_release(keeper);
	end();
}

/* The keeper is left behind, with the target in its hands. */
static void its_maker_is_killed(void **state)
{
	struct keeper_request request = {.snapshot.shared_max_bytes = 1 << 20};
	struct keeper *keeper;
	pid_t maker;

	(void)state;
	begin();
	request.pid = busy.pid;
	play->hold = true;
	maker = fork();
	if (maker == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (keeper_start(&request, &keeper))
			_exit(1);
		for (;;)
			(void)pause();
	}
	wait_held();
	(void)kill(maker, SIGKILL);
	assert_int_equal(waitpid(maker, NULL, 0), maker);
	examine();
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_twin_is_killed),
		cmocka_unit_test(the_helper_is_killed),
		cmocka_unit_test(the_kernel_takes_too_long),
		cmocka_unit_test(nobody_wants_it_any_more),
		cmocka_unit_test(the_keeper_is_called_off),
		cmocka_unit_test(its_maker_is_killed),
	};

	play = mmap(NULL, sizeof(*play), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
