/* SPDX-License-Identifier: MIT */
/*
 * test_rung.c - a timer that runs out while its process stands still
 *
 *   target   blocks the signals of two timers, arms them, waits   round by
 *   looker   takes an image at about that moment and looks at it  round
 *
 * An image has of each timer either the time that is left or its signal: with
 * neither the child would wait for ever, with both it would be woken twice.
 */
#include "tests/unit/parent/cmocka_env.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "common/io.h"
#include "parent/snapshot.h"
#include "tests/unit/parent/target.h"

#define ROUNDS	    200
#define RUNS_OUT_NS 8000000u
#define STEP_NS	    20000u
#define CODE_SIGNAL SIGRTMIN

/* Shared by the test, its target and its looker. */
static volatile struct {
	uint64_t runs_out_ns;
	unsigned armed, taken; /* the round */
	unsigned failed;       /* images that were refused */
	unsigned neither, both;
} * shared;

static void sleep_ns(long ns)
{
	const struct timespec time = {0, ns};

	(void)nanosleep(&time, NULL);
}

static void arm(timer_t timer)
{
	const struct itimerval once = {.it_value = {0, RUNS_OUT_NS / 1000}};
	const struct itimerspec once_too = {.it_value = {0, RUNS_OUT_NS}};

	shared->runs_out_ns = io_monotonic_ns() + RUNS_OUT_NS;
	if (setitimer(ITIMER_REAL, &once, NULL) ||
	    timer_settime(timer, 0, &once_too, NULL))
		_exit(1);
}

static void ring_and_ring(int ready_fd)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = CODE_SIGNAL};
	sigset_t set;
	timer_t timer;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)sigaddset(&set, CODE_SIGNAL);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    write(ready_fd, "", 1) != 1)
		_exit(1);
	for (unsigned round = 1;; round++) {
		arm(timer);
		shared->armed = round;
		while (shared->taken < round)
			sleep_ns(100000);
		(void)sigwaitinfo(&set, NULL);
		(void)sigwaitinfo(&set, NULL);
	}
}

static bool is_pending(const struct image *image, int signo)
{
	for (uint32_t i = 0; i < image->nr_pending; i++) {
		int pending;

		memcpy(&pending, image->pending[i].siginfo, sizeof(pending));
		if (pending == signo)
			return true;
	}
	return false;
}

static void judge(const struct image *image)
{
	bool left[] = {image->itimers[0].value_us > 0,
		       image->nr_timers == 1 && image->timers[0].value_ns > 0};
	bool rung[] = {is_pending(image, SIGALRM),
		       is_pending(image, CODE_SIGNAL)};

	for (size_t i = 0; i < 2; i++) {
		shared->neither += !left[i] && !rung[i];
		shared->both += left[i] && rung[i];
	}
}

static void look(pid_t pid, uint64_t early_ns)
{
	const struct snapshot_options options = {500, 64 << 20};
	struct snapshot *snapshot = NULL;

	while (io_monotonic_ns() + early_ns < shared->runs_out_ns)
		;
	if (snapshot_take(pid, &options, &snapshot, NULL)) {
		shared->failed++;
		return;
	}
	judge(snapshot->image);
	snapshot_release(snapshot);
}

static pid_t start_looker(pid_t pid)
{
	pid_t looker = fork();

	if (looker)
		return looker;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		while (shared->armed < round)
			sleep_ns(100000);
		look(pid, round % 100 * STEP_NS);
		shared->taken = round;
	}
	_exit(0);
}

static void a_timer_has_time_left_or_has_rung(void **state)
{
	pid_t pid, looker;
	int status;

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	pid = start(ring_and_ring);
	looker = start_looker(pid);
	assert_int_equal(waitpid(looker, &status, 0), looker);
	assert_int_equal(status, 0);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(shared->failed, 0);
	assert_int_equal(shared->neither, 0);
	assert_int_equal(shared->both, 0);
	(void)munmap((void *)shared, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_has_time_left_or_has_rung),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
