/* SPDX-License-Identifier: MIT */
/*
 * test_death.c - our own death at any step of a snapshot leaves the target
 * right
 *
 * A process takes a snapshot and kills itself before its k-th step, for k = 1,
 * 2, ... until one lives to the end.
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "parent/snapshot.h"
#include "tests/unit/parent/busy.h"
#include "tests/unit/parent/steps.h"
#include "tests/unit/parent/target.h"
#include "tests/unit/parent/watch.h"

#define STEPS_MAX 2000
#define DEATHS	  60

static unsigned fatal_step;

static void die(unsigned step)
{
	if (step == fatal_step)
		(void)raise(SIGKILL);
}

static int take_and_die(pid_t pid, unsigned at_step, void (*hook)(unsigned))
{
	const struct snapshot_options options = {5000, 1 << 20};
	struct snapshot *snapshot;
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct refusal why;
		int rc;

		fatal_step = at_step;
		steps_begin(hook);
		rc = snapshot_take(pid, &options, &snapshot, &why);
		steps_begin(NULL);
		if (rc) {
			(void)fprintf(stderr, "step %u: %d %s\n", at_step, rc,
				      why.why);
			_exit(1);
		}
		snapshot_release(snapshot);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return 1;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}

/* As above, but the death comes from outside, @delay_us after the start. */
static void take_and_be_killed(pid_t pid, unsigned delay_us)
{
	const struct snapshot_options options = {5000, 1 << 20};
	struct snapshot *snapshot;
	pid_t child = fork();
	int status;

	if (child == 0) {
		for (;;)
			if (snapshot_take(pid, &options, &snapshot, NULL) == 0)
				snapshot_release(snapshot);
	}
	(void)usleep(delay_us);
	(void)kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static void check_same(const char *when, char *(*look)(pid_t), pid_t pid,
		       const char *before)
{
	CLEANUP_FREE char *after = watch_until(look, pid, before);

	if (strcmp(before, after) != 0)
		fail_msg("%s\nbefore:\n%s\nafter:\n%s", when, before, after);
}

struct patient {
	struct busy busy;
	char *threads, *fds; /* as they were at first */
};

static void admit_patient(struct patient *patient)
{
	assert_int_equal(busy_start(&patient->busy), 0);
	patient->threads = watch_threads(patient->busy.pid);
	patient->fds = watch_fds(patient->busy.pid);
}

static void examine(struct patient *patient, const char *how, unsigned k)
{
	const struct busy *busy = &patient->busy;
	char when[48];

	(void)snprintf(when, sizeof(when), "%s %u", how, k);
	check_same(when, watch_threads, busy->pid, patient->threads);
	check_same(when, watch_children, busy->pid, "");
	check_same(when, watch_fds, busy->pid, patient->fds);
	if (busy_wait_round(busy) || busy_complaint(busy))
		fail_msg("%s: %s", when,
			 busy_complaint(busy) ? busy_complaint(busy)
					      : "it hangs");
}

static void discharge(struct patient *patient)
{
	const char *complaint = busy_end(&patient->busy);

	free(patient->threads);
	free(patient->fds);
	if (complaint)
		fail_msg("%s", complaint);
}

static void death_at_any_step(void **state)
{
	struct patient patient;
	unsigned k = 1;

	(void)state;
	admit_patient(&patient);
	while (take_and_die(patient.busy.pid, k, die)) {
		examine(&patient, "death at step", k);
		assert_true(++k < STEPS_MAX);
	}
	assert_true(k > 50);
	discharge(&patient);
}

/* In the middle of a step, too; where that is, chance says. */
static void death_at_any_time(void **state)
{
	struct patient patient;

	(void)state;
	admit_patient(&patient);
	for (unsigned i = 0; i < DEATHS; i++) {
		take_and_be_killed(patient.busy.pid, 2000 + i * 337);
		examine(&patient, "death after", i);
	}
	discharge(&patient);
}

struct tally {
	volatile unsigned sent, taken;
};

static struct tally *tally;
static pid_t receiver;

static void on_queued(int signo)
{
	(void)signo;
	tally->taken++;
}

static void receive(int ready_fd)
{
	const struct sigaction action = {.sa_handler = on_queued};

	(void)sigaction(SIGRTMIN, &action, NULL);
	(void)!write(ready_fd, "x", 1);
	for (;;)
		(void)pause();
}

/* One that is on its way when we die, wherever it has got to by then. */
static void send_and_die(unsigned step)
{
	if (step == fatal_step - 2 || step == fatal_step - 1) {
		tally->sent +=
			sigqueue(receiver, SIGRTMIN, (union sigval){0}) == 0;
		(void)usleep(300);
	}
	die(step);
}

static bool all_taken(void)
{
	for (int i = 0; i < 2000 && tally->taken != tally->sent; i++)
		(void)usleep(1000);
	return tally->taken == tally->sent;
}

static void no_signal_dies_with_us(void **state)
{
	unsigned k = 2;

	(void)state;
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(tally, MAP_FAILED);
	receiver = start(receive);
	while (take_and_die(receiver, k, send_and_die)) {
		if (!all_taken())
			fail_msg("death at step %u: %u signals sent, %u taken",
				 k, tally->sent, tally->taken);
		assert_true(++k < STEPS_MAX);
	}
	assert_true(tally->sent > 50 && all_taken());
	(void)kill(receiver, SIGKILL);
	assert_int_equal(waitpid(receiver, NULL, 0), receiver);
	(void)munmap(tally, sizeof(*tally));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(death_at_any_step),
		cmocka_unit_test(death_at_any_time),
		cmocka_unit_test(no_signal_dies_with_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
