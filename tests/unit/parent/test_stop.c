/* SPDX-License-Identifier: MIT */
/*
 * test_stop.c - SIGSTOP and SIGCONT that come in the pause do what they would
 * have done without
 *
 * They are sent before the k-th step of a snapshot, for k = 1, 2, ... until one
 * has no more steps.
 */
#include "tests/unit/parent/cmocka_env.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parent/procfs.h"
#include "parent/snapshot.h"
#include "tests/unit/parent/steps.h"
#include "tests/unit/parent/target.h"

#define STEPS_MIN 50
#define NEVER	  100000u
#define LOST_MAX  12u

struct counters {
	volatile unsigned rounds[2]; /* of the target's threads */
	volatile unsigned steps;     /* so far, of the snapshot */
};

/* What happens to @pid before which step. */
static struct {
	pid_t pid;
	unsigned stop, cont, death;
} plan;

static struct counters *counters;
static bool catches; /* all signals that an errand would rather end with */

static void nothing(int signo)
{
	(void)signo;
}

static void *count(void *arg)
{
	volatile unsigned *rounds = arg;

	for (;;) {
		(void)usleep(300);
		++*rounds;
	}
	return NULL;
}

static void body(int ready_fd)
{
	pthread_t thread;

	if (catches) {
		(void)signal(SIGURG, nothing);
		(void)signal(SIGWINCH, nothing);
	}
	(void)pthread_create(&thread, NULL, count,
			     (void *)&counters->rounds[1]);
	(void)!write(ready_fd, "x", 1);
	(void)count((void *)&counters->rounds[0]);
}

/* A moment each, for the target to take notice. */
static void on_step(unsigned step)
{
	counters->steps = step;
	if (step == plan.stop) {
		(void)kill(plan.pid, SIGSTOP);
		(void)usleep(200);
	}
	if (step == plan.cont) {
		(void)kill(plan.pid, SIGCONT);
		(void)usleep(200);
	}
	if (step == plan.death)
		(void)raise(SIGKILL);
}

enum outcome { TAKEN, REFUSED, DIED };

static enum outcome take(void)
{
	const struct snapshot_options options = {5000, 1 << 20};
	struct snapshot *snapshot;
	struct refusal why;
	int status, rc;
	pid_t child = fork();

	if (child == 0) {
		steps_begin(on_step);
		rc = snapshot_take(plan.pid, &options, &snapshot, &why);
		steps_begin(NULL);
		if (rc == 0)
			snapshot_release(snapshot);
		else if (!catches)
			(void)fprintf(stderr, "%d %s\n", rc, why.why);
		_exit(rc ? REFUSED : TAKEN);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	return DIED;
}

static bool becomes(char wanted)
{
	struct procfs_status status;

	for (int i = 0; i < 1000; i++) {
		char state;

		assert_int_equal(procfs_status(plan.pid, 0, &status), 0);
		state = status.state;
		procfs_status_free(&status);
		if (state == wanted)
			return true;
		(void)usleep(1000);
	}
	return false;
}

static bool runs(void)
{
	const struct counters before = *counters;

	for (int i = 0; i < 1000; i++) {
		if (counters->rounds[0] != before.rounds[0] &&
		    counters->rounds[1] != before.rounds[1])
			return true;
		(void)usleep(1000);
	}
	return false;
}

static void begin(bool catching)
{
	counters = mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(counters, MAP_FAILED);
	catches = catching;
	plan.pid = start(body);
	plan.stop = plan.cont = plan.death = NEVER;
}

static void end(void)
{
	(void)kill(plan.pid, SIGKILL);
	assert_int_equal(waitpid(plan.pid, NULL, 0), plan.pid);
	(void)munmap(counters, sizeof(*counters));
}

/*
 * Continued @steps after it was stopped: it runs.  It may be refused when
 * SIGCONT is wanted for the errands' end and pending.
 */
static void stop_and_cont(unsigned steps)
{
	unsigned k = 0;

	do {
		plan.stop = ++k;
		plan.cont = k + steps;
		if (take() != TAKEN && !catches)
			fail_msg("refused: stop before step %u", k);
		if (counters->steps < plan.cont)
			(void)kill(plan.pid, SIGCONT);
		if (!runs())
			fail_msg(
				"left stopped: stop before step %u of %u, "
				"cont before %u",
				k, counters->steps, plan.cont);
	} while (k < counters->steps || counters->steps < STEPS_MIN);
}

static void a_stop_that_was_ended_is_over(void **state)
{
	(void)state;
	begin(false);
	stop_and_cont(0);
	stop_and_cont(1);
	stop_and_cont(4);
	end();
}

static void also_where_sigcont_is_used_up(void **state)
{
	(void)state;
	begin(true);
	stop_and_cont(1);
	end();
}

/* Stopped before @k: it is, until it is continued. */
static void stop_only(unsigned k)
{
	plan.stop = k;
	if (take() == REFUSED && !catches)
		fail_msg("refused: stop before step %u", k);
	if (k <= counters->steps && !becomes('T'))
		fail_msg("stop before step %u of %u was lost", k,
			 counters->steps);
	(void)kill(plan.pid, SIGCONT);
	if (!runs())
		fail_msg("stop before step %u of %u stays", k, counters->steps);
}

static void a_stop_is_not_lost(void **state)
{
	unsigned k = 0;

	(void)state;
	begin(false);
	do
		stop_only(++k);
	while (k < counters->steps);
	assert_true(k > STEPS_MIN);
	end();
}

/* Behind the first look at it, and before it stands still for us. */
static void nor_by_a_sigcont_of_ours(void **state)
{
	(void)state;
	begin(true);
	for (unsigned k = 1; k < 5; k++)
		stop_only(k);
	end();
}

/*
 * Nor by a SIGCONT that came @steps before it; how often it was.  Where SIGCONT
 * is used up it can be: by a thread's own in that moment, see errand.h.
 */
static unsigned cont_and_stop(bool catching, unsigned steps)
{
	unsigned k = 0, lost = 0;

	begin(catching);
	do {
		plan.cont = ++k;
		plan.stop = k + steps;
		(void)take();
		lost += plan.stop <= counters->steps && !becomes('T');
		(void)kill(plan.pid, SIGCONT);
		assert_true(runs());
	} while (k < counters->steps);
	assert_true(k > STEPS_MIN);
	end();
	return lost;
}

static void a_stop_behind_a_cont_is_not_lost(void **state)
{
	(void)state;
	assert_int_equal(cont_and_stop(false, 1), 0);
	assert_int_equal(cont_and_stop(false, 5), 0);
	assert_in_range(cont_and_stop(true, 5), 0, LOST_MAX);
	assert_in_range(cont_and_stop(true, 8), 0, LOST_MAX);
}

/* Nor when we die right behind it. */
static void a_stop_outlives_us(void **state)
{
	unsigned k = 0;

	(void)state;
	begin(false);
	do {
		plan.death = ++k + 1;
		stop_only(k);
	} while (plan.death <= counters->steps);
	assert_true(k > STEPS_MIN);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_that_was_ended_is_over),
		cmocka_unit_test(also_where_sigcont_is_used_up),
		cmocka_unit_test(a_stop_is_not_lost),
		cmocka_unit_test(nor_by_a_sigcont_of_ours),
		cmocka_unit_test(a_stop_behind_a_cont_is_not_lost),
		cmocka_unit_test(a_stop_outlives_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
