/* SPDX-License-Identifier: MIT */
/*
 * test_death.c - our own death at any step of a snapshot leaves the target
 * right
 *
 * The linker puts __wrap_NAME in front of every call by which the library acts
 * on the target.  A process takes a snapshot and kills itself before its k-th
 * such call, for k = 1, 2, ... until one lives to the end.
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "parent/snapshot.h"
#include "tests/unit/parent/busy.h"
#include "tests/unit/parent/watch.h"

#define STEPS_MAX 2000
#define DEATHS	  60

static unsigned steps_left; /* 0: not counting */

static void step(void)
{
	if (steps_left && --steps_left == 0)
		(void)raise(SIGKILL);
}

long __real_ptrace(enum __ptrace_request request, pid_t pid, void *addr,
		   void *data);
long __wrap_ptrace(enum __ptrace_request request, pid_t pid, void *addr,
		   void *data);
pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t at);

long __wrap_ptrace(enum __ptrace_request request, pid_t pid, void *addr,
		   void *data)
{
	step();
	return __real_ptrace(request, pid, addr, data);
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	step();
	return __real_waitpid(pid, status, options);
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t at)
{
	step();
	return __real_pwrite64(fd, buf, len, at);
}

static int take_and_die(pid_t pid, unsigned at_step)
{
	const struct snapshot_options options = {5000, 1 << 20};
	struct snapshot *snapshot;
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct refusal why;
		int rc;

		steps_left = at_step;
		rc = snapshot_take(pid, &options, &snapshot, &why);
		steps_left = 0;
		if (rc) {
			(void)fprintf(stderr, "step %u: %d %s\n", at_step, rc,
				      why.why);
			_exit(1);
		}
		snapshot_release(snapshot);
		_exit(0);
	}
	assert_int_equal(__real_waitpid(child, &status, 0), child);
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
	assert_int_equal(__real_waitpid(child, &status, 0), child);
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
	while (take_and_die(patient.busy.pid, k)) {
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(death_at_any_step),
		cmocka_unit_test(death_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
