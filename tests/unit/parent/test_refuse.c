/* SPDX-License-Identifier: MIT */
/*
 * test_refuse.c - processes that are refused, in words, and stay as they were;
 * and some that look as if they had to be refused
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parent/admit.h"
#include "parent/procfs.h"
#include "parent/seize.h"
#include "parent/tracee.h"
#include "parent/tracer.h"
#include "tests/unit/parent/busy.h"
#include "tests/unit/parent/taker.h"
#include "tests/unit/parent/watch.h"
#include "tests/unit/parent/target.h"

#define NOBODY 65534

static void ready_and_wait(int ready_fd)
{
	(void)!write(ready_fd, "x", 1);
	for (;;)
		(void)pause();
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void assert_refused(pid_t pid, int error, const char *word)
{
	struct refusal why;
	int rc = taker_take(pid, 1, &why);

	if (rc != error || !strstr(why.why, word))
		fail_msg("%d \"%s\", not %d \"...%s...\"", rc, why.why, error,
			 word);
}

static void assert_taken(pid_t pid)
{
	struct refusal why;
	int rc = taker_take(pid, 2, &why);

	if (rc)
		fail_msg("%d %s", rc, why.why);
}

static void no_process(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	(void)usleep(100000);
	assert_refused(pid, -ESRCH, "zombie");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_refused(pid, -ESRCH, "no such process");
}

static void kernel_thread(void **state)
{
	(void)state;
	if (getpgid(2) != 0)
		skip(); /* a pid namespace without kthreadd */
	assert_refused(2, -EOPNOTSUPP, "kernel thread");
}

static void traced(void **state)
{
	pid_t pid = start(ready_and_wait);
	char tracer[16];

	(void)state;
	assert_int_equal(tracee_seize(pid, 0), 0);
	(void)snprintf(tracer, sizeof(tracer), "%d", getpid());
	assert_refused(pid, -EPERM, tracer);
	end(pid);
}

/*
 * Traces @pid until the far end of @stop is closed, by the name @name.  Returns
 * its pid once it does.
 */
static pid_t start_tracer(pid_t pid, const char *name, const int stop[2])
{
	int ready[2];
	char byte;
	pid_t tracer;

	assert_int_equal(pipe(ready), 0);
	tracer = fork();
	if (tracer == 0) {
		(void)close(stop[1]);
		(void)prctl(PR_SET_NAME, name);
		(void)!write(ready[1], tracee_seize(pid, 0) ? "n" : "y", 1);
		(void)!read(stop[0], &byte, 1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	(void)close(ready[0]);
	(void)close(ready[1]);
	return tracer;
}

static int seize_error(pid_t pid)
{
	struct refusal why = {0};
	struct seized seized;
	int rc = seize_all(pid, TRACEE_OPTIONS, 50, &seized, &why);

	if (rc == 0)
		seize_release(&seized);
	return rc;
}

/* Another image of it is no debugger: it is over soon. */
static void traced_by_a_keeper(void **state)
{
	pid_t pid = start(ready_and_wait), tracer, closer;
	struct procfs_status status;
	int stop[2];

	(void)state;
	assert_int_equal(pipe(stop), 0);
	tracer = start_tracer(pid, TRACER_TAKER, stop);
	assert_int_equal(admit_check(pid, &status, NULL), -EALREADY);
	assert_int_equal(seize_error(pid), -EALREADY);
	closer = fork();
	if (closer == 0) {
		(void)usleep(300000);
		_exit(0);
	}
	(void)close(stop[1]); /* the closer has it still */
	assert_taken(pid);
	assert_int_equal(waitpid(closer, NULL, 0), closer);
	assert_int_equal(waitpid(tracer, NULL, 0), tracer);
	(void)close(stop[0]);
	end(pid);
}

/* Who only has the name gains some waiting by it. */
static void traced_by_a_keeper_for_ever(void **state)
{
	pid_t pid = start(ready_and_wait), tracer;
	int stop[2];

	(void)state;
	assert_int_equal(pipe(stop), 0);
	tracer = start_tracer(pid, TRACER_TAKER, stop);
	assert_refused(pid, -EAGAIN, "another image"); /* not to be retried */
	(void)close(stop[1]);
	assert_int_equal(waitpid(tracer, NULL, 0), tracer);
	(void)close(stop[0]);
	assert_taken(pid);
	end(pid);
}

static void vfork_body(int ready_fd)
{
	(void)!write(ready_fd, "x", 1);
	if (vfork() == 0) {
		char *const argv[] = {"sleep", "1000", NULL};

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)pause();
		(void)execv("/bin/sleep", argv);
		_exit(0);
	}
}

static char state_of(pid_t pid)
{
	struct procfs_status status;
	char state;

	assert_int_equal(procfs_status(pid, 0, &status), 0);
	state = status.state;
	procfs_status_free(&status);
	return state;
}

static void wait_state(pid_t pid, char state)
{
	for (int i = 0; i < 5000 && state_of(pid) != state; i++)
		(void)usleep(1000);
	assert_int_equal(state_of(pid), state);
}

/* Out of its vfork the parent exits by itself, with 0. */
static void end_vfork(pid_t pid)
{
	char *children = watch_children(pid);
	int status;

	assert_int_equal(kill(atoi(children), SIGKILL), 0);
	free(children);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void vfork_under_way(void **state)
{
	pid_t pid = start(vfork_body);

	(void)state;
	wait_state(pid, 'D');
	assert_refused(pid, -EBUSY, "try again");
	end_vfork(pid);
}

/* The same, had the vfork begun after the first look. */
static void does_not_stop(void **state)
{
	pid_t pid = start(vfork_body), taker;
	int status;

	(void)state;
	wait_state(pid, 'D');
	taker = fork();
	if (taker == 0) {
		struct seized seized;
		struct refusal why = {0};
		int rc = seize_all(pid, TRACEE_OPTIONS, 50, &seized, &why);

		_exit(rc == -EBUSY && strstr(why.why, "try again") ? 0 : 1);
	}
	assert_int_equal(waitpid(taker, &status, 0), taker);
	assert_int_equal(status, 0);
	end_vfork(pid);
}

/* Ready only when it dies with its parent: the test may kill that at once. */
static int sharer_main(void *arg)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	ready_and_wait(*(const int *)arg);
	return 0;
}

static void sharing_body(int ready_fd)
{
	static char stack[65536];

	(void)clone(sharer_main, stack + sizeof(stack), CLONE_VM | SIGCHLD,
		    &ready_fd);
	for (;;)
		(void)pause();
}

static void shared_memory_map(void **state)
{
	pid_t pid = start(sharing_body);
	char *children = watch_children(pid);

	(void)state;
	assert_refused(atoi(children), -EOPNOTSUPP, "shares its memory");
	free(children);
	end(pid);
}

static void crowded_body(int ready_fd)
{
	const struct rlimit one = {1, 1};

	(void)setrlimit(RLIMIT_NPROC, &one);
	(void)!setresuid(NOBODY, NOBODY, NOBODY);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	ready_and_wait(ready_fd);
}

static void no_more_processes(void **state)
{
	pid_t pid = start(crowded_body);
	char *maps = watch_maps(pid), *after;

	(void)state;
	assert_refused(pid, -EAGAIN, "two more processes");
	assert_refused(pid, -EAGAIN, "two more processes");
	after = watch_maps(pid);
	assert_string_equal(maps, after);
	free(maps);
	free(after);
	end(pid);
}

/* What it has is more already; it may map, but not to write. */
static void full_body(int ready_fd)
{
	const struct rlimit one = {4096, 4096};

	(void)setrlimit(RLIMIT_DATA, &one);
	ready_and_wait(ready_fd);
}

static void no_more_memory(void **state)
{
	pid_t pid = start(full_body);
	char *maps = watch_maps(pid), *after;

	(void)state;
	assert_refused(pid, -ENOMEM, "scratch memory");
	after = watch_maps(pid);
	assert_string_equal(maps, after);
	free(maps);
	free(after);
	end(pid);
}

static void subreaper_body(int ready_fd)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	ready_and_wait(ready_fd);
}

static void subreaper(void **state)
{
	pid_t pid = start(subreaper_body);

	(void)state;
	assert_refused(pid, -EOPNOTSUPP, "subreaper");
	end(pid);
}

static void stopped_stays_stopped(void **state)
{
	struct busy busy;
	uint64_t rounds;

	(void)state;
	assert_int_equal(busy_start(&busy), 0);
	assert_int_equal(kill(busy.pid, SIGSTOP), 0);
	wait_state(busy.pid, 'T');
	rounds = busy_rounds(&busy);
	assert_taken(busy.pid);
	wait_state(busy.pid, 'T');
	assert_int_equal(busy_rounds(&busy), rounds);
	assert_int_equal(kill(busy.pid, SIGCONT), 0);
	assert_int_equal(busy_wait_round(&busy), 0);
	assert_null(busy_end(&busy));
}

/* Forbids clone, mmap, munmap and tkill: on pain of death. */
static void strict_body(int ready_fd)
{
#define FORBID(nr)                                                             \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),                         \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		FORBID(SYS_clone),
		FORBID(SYS_mmap),
		FORBID(SYS_munmap),
		FORBID(SYS_tkill),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(*code), code};

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
	ready_and_wait(ready_fd);
}

static void strict_filter(void **state)
{
	pid_t pid = start(strict_body);
	char *threads = watch_threads(pid), *after;

	(void)state;
	assert_taken(pid);
	after = watch_threads(pid);
	assert_string_equal(threads, after);
	free(threads);
	free(after);
	end(pid);
}

/* Allows no call but read, write, exit and sigreturn. */
static void strict_mode_body(int ready_fd)
{
	char byte;
	int fds[2];

	(void)!pipe(fds);
	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	(void)!write(ready_fd, "x", 1);
	(void)!read(fds[0], &byte, 1);
}

static void strict_mode(void **state)
{
	pid_t pid = start(strict_mode_body);

	(void)state;
	assert_taken(pid);
	wait_state(pid, 'S');
	end(pid);
}

static void *strict_thread(void *ready_fd)
{
	strict_body(*(const int *)ready_fd);
	return NULL;
}

static void one_strict_body(int ready_fd)
{
	pthread_t thread;

	(void)pthread_create(&thread, NULL, strict_thread, &ready_fd);
	for (;;)
		(void)pause();
}

/* Its leader has no filter, but this thread makes calls for us, too. */
static void filter_of_a_thread(void **state)
{
	pid_t pid = start(one_strict_body);
	struct procfs_status status;

	(void)state;
	assert_taken(pid);
	assert_int_equal(procfs_status(pid, 0, &status), 0);
	assert_int_equal(status.nr_threads, 2);
	procfs_status_free(&status);
	end(pid);
}

static void become_nobody(void)
{
	(void)setgroups(0, NULL);
	(void)!setresgid(NOBODY, NOBODY, NOBODY);
	(void)!setresuid(NOBODY, NOBODY, NOBODY);
	(void)prctl(PR_SET_DUMPABLE, 1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void nobody_body(int ready_fd)
{
	become_nobody();
	ready_and_wait(ready_fd);
}

static void nobodys_strict_body(int ready_fd)
{
	become_nobody();
	one_strict_body(ready_fd);
}

/* Who may not suspend a filter takes what has none, and leaves alone what has.
 */
static void filter_and_no_right(void **state)
{
	pid_t free_one = start(nobody_body),
	      strict = start(nobodys_strict_body);
	pid_t taker = fork();
	int status;

	(void)state;
	if (taker == 0) {
		become_nobody();
		assert_taken(free_one);
		assert_refused(strict, -EPERM, "under seccomp");
		exit(0);
	}
	assert_int_equal(waitpid(taker, &status, 0), taker);
	assert_int_equal(status, 0);
	wait_state(strict, 'S');
	end(free_one);
	end(strict);
}

static void all_blocked_body(int ready_fd)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	ready_and_wait(ready_fd);
}

static void all_signals_blocked(void **state)
{
	pid_t pid = start(all_blocked_body);

	(void)state;
	assert_taken(pid);
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_process),
		cmocka_unit_test(kernel_thread),
		cmocka_unit_test(traced),
		cmocka_unit_test(traced_by_a_keeper),
		cmocka_unit_test(traced_by_a_keeper_for_ever),
		cmocka_unit_test(vfork_under_way),
		cmocka_unit_test(does_not_stop),
		cmocka_unit_test(shared_memory_map),
		cmocka_unit_test(no_more_processes),
		cmocka_unit_test(no_more_memory),
		cmocka_unit_test(subreaper),
		cmocka_unit_test(stopped_stays_stopped),
		cmocka_unit_test(strict_filter),
		cmocka_unit_test(strict_mode),
		cmocka_unit_test(filter_of_a_thread),
		cmocka_unit_test(filter_and_no_right),
		cmocka_unit_test(all_signals_blocked),
	};

	if (geteuid() != 0)
		return 77; /* becoming nobody, suspending seccomp */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
