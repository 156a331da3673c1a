/* SPDX-License-Identifier: MIT */
/*
 * test_namespace.c - a process that forks into a new pid namespace is refused
 * while that has no init, taken when it has, and can fork in either case
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parent/seize.h"
#include "tests/unit/parent/taker.h"
#include "tests/unit/parent/target.h"

#define WAIT_MS 10000
#define STATUS	7

enum order { NONE, UNSHARE, FORK };

/* What the target is to do next; it has done it when this is NONE again. */
static struct {
	volatile enum order order;
	volatile int failed; /* errno */
	volatile bool late;  /* unshare only when the first look is over */
} * play;

static int do_fork(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(STATUS);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == STATUS ? 0 : EIO;
}

static void *obey(void *arg)
{
	for (;;) {
		if (play->order == UNSHARE)
			play->failed = unshare(CLONE_NEWPID) ? errno : 0;
		if (play->order == FORK)
			play->failed = do_fork();
		play->order = NONE;
		(void)usleep(200);
	}
	return arg;
}

static void body(int ready_fd)
{
	(void)!write(ready_fd, "x", 1);
	(void)obey(NULL);
}

/* Its main thread forks where it always did. */
static void second_thread_body(int ready_fd)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, obey, NULL))
		_exit(1);
	(void)!write(ready_fd, "x", 1);
	for (;;)
		(void)pause();
}

static void tell(enum order order)
{
	play->order = order;
	for (int i = 0; i < WAIT_MS && play->order; i++)
		(void)usleep(1000);
	assert_int_equal(play->order, NONE);
	assert_int_equal(play->failed, 0);
}

int __real_seize_all(pid_t pid, unsigned long options, int timeout_ms,
		     struct seized *ret_seized, struct refusal *why);
int __wrap_seize_all(pid_t pid, unsigned long options, int timeout_ms,
		     struct seized *ret_seized, struct refusal *why);

int __wrap_seize_all(pid_t pid, unsigned long options, int timeout_ms,
		     struct seized *ret_seized, struct refusal *why)
{
	if (play->late)
		tell(UNSHARE);
	return __real_seize_all(pid, options, timeout_ms, ret_seized, why);
}

static void assert_refused(pid_t pid)
{
	struct refusal why;
	int rc = taker_take(pid, 1, &why);

	if (rc != -EOPNOTSUPP || !strstr(why.why, "its next child"))
		fail_msg("%d %s", rc, why.why);
}

static void assert_taken(pid_t pid)
{
	struct refusal why;
	int rc = taker_take(pid, 2, &why);

	if (rc)
		fail_msg("%d %s", rc, why.why);
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* It forks an init of its own, which ends: nobody can come behind that. */
static void without_an_init(void **state)
{
	pid_t pid = start(body);

	(void)state;
	tell(UNSHARE);
	assert_refused(pid);
	tell(FORK);
	end(pid);
}

static void unshared_behind_the_first_look(void **state)
{
	pid_t pid = start(body);

	(void)state;
	play->late = true;
	assert_refused(pid);
	play->late = false;
	tell(FORK);
	end(pid);
}

static void init_body(int ready_fd)
{
	if (unshare(CLONE_NEWPID))
		_exit(1);
	if (fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)!write(ready_fd, "x", 1);
		for (;;)
			(void)pause();
	}
	(void)obey(NULL);
}

static void with_an_init(void **state)
{
	pid_t pid = start(init_body);

	(void)state;
	assert_taken(pid);
	tell(FORK);
	assert_taken(pid);
	end(pid);
}

static void of_another_thread(void **state)
{
	pid_t pid = start(second_thread_body);

	(void)state;
	tell(UNSHARE);
	assert_taken(pid);
	tell(FORK);
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_an_init),
		cmocka_unit_test(unshared_behind_the_first_look),
		cmocka_unit_test(with_an_init),
		cmocka_unit_test(of_another_thread),
	};

	if (geteuid() != 0)
		return 77; /* unsharing */
	play = mmap(NULL, sizeof(*play), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
