/* SPDX-License-Identifier: MIT */
/*
 * test_harm.c - a hundred snapshots of a busy process leave nothing behind, and
 * states that a process is in for a moment are no obstacle
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "parent/snapshot.h"
#include "parent/tracee.h"
#include "tests/unit/parent/busy.h"
#include "tests/unit/parent/taker.h"
#include "tests/unit/parent/target.h"
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

static int announce_fd;

static void wait_there(void)
{
	if (write(announce_fd, "", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

/* As language runtimes do: the main thread leaves the kernel's stack. */
static void leave_the_stack(int ready_fd)
{
	static char stack[1 << 18];
	static ucontext_t here, there;

	announce_fd = ready_fd;
	(void)getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	makecontext(&there, wait_there, 0);
	(void)swapcontext(&here, &there);
}

static void find_stack(pid_t pid, unsigned long *start, unsigned long *end)
{
	char path[32], line[512];
	FILE *maps;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	assert_non_null(maps);
	do
		assert_non_null(fgets(line, sizeof(line), maps));
	while (!strstr(line, "[stack]"));
	assert_int_equal(sscanf(line, "%lx-%lx", start, end), 2);
	(void)fclose(maps);
}

/* The whole of the main stack of @pid, for the caller to free. */
static char *read_stack(pid_t pid, size_t *ret_bytes)
{
	unsigned long start, end;
	char path[32], *bytes;
	FILE *mem;

	find_stack(pid, &start, &end);
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = fopen(path, "r");
	bytes = malloc(end - start);
	assert_true(mem && bytes && !fseek(mem, (long)start, SEEK_SET));
	assert_int_equal(fread(bytes, 1, end - start, mem), end - start);
	(void)fclose(mem);
	*ret_bytes = end - start;
	return bytes;
}

/* The place on the main stack that is borrowed then is what it was. */
static void a_stack_of_its_own_is_no_obstacle(void **state)
{
	pid_t pid = start(leave_the_stack);
	struct refusal why = {0};
	size_t before_bytes, after_bytes;
	char *before = read_stack(pid, &before_bytes), *after;
	int rc = taker_take(pid, 5, &why);

	if (rc)
		fail_msg("%d %s", rc, why.why);
	after = read_stack(pid, &after_bytes);
	assert_int_equal(before_bytes, after_bytes);
	assert_memory_equal(before, after, after_bytes);
	free(before);
	free(after);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int end_fds[2];
static pid_t *ending; /* shared: the thread that is about to end, or 0 */

static void *end_when_told(void *arg)
{
	char byte;

	*ending = gettid();
	(void)!read(end_fds[0], &byte, 1);
	return arg;
}

static void have_an_ending_thread(int ready_fd)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, end_when_told, NULL))
		_exit(1);
	while (!*(volatile pid_t *)ending)
		(void)usleep(100);
	announce_fd = ready_fd;
	wait_there();
}

int __real_tracee_seize(pid_t tid, unsigned long options);
int __wrap_tracee_seize(pid_t tid, unsigned long options);

/* As the kernel answers for a thread that has ended and is still listed. */
int __wrap_tracee_seize(pid_t tid, unsigned long options)
{
	if (!ending || tid != *ending)
		return __real_tracee_seize(tid, options);
	(void)!write(end_fds[1], "x", 1);
	for (int i = 0; i < 5000 && syscall(SYS_tkill, tid, 0) == 0; i++)
		(void)usleep(1000);
	return -EPERM;
}

static void a_thread_that_ends_is_no_obstacle(void **state)
{
	struct refusal why = {0};
	pid_t pid;
	int rc;

	(void)state;
	ending = mmap(NULL, sizeof(*ending), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(ending, MAP_FAILED);
	assert_int_equal(pipe(end_fds), 0);
	pid = start(have_an_ending_thread);
	rc = taker_take(pid, 1, &why);
	if (rc)
		fail_msg("%d %s", rc, why.why);
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)munmap(ending, sizeof(*ending));
	ending = NULL;
	(void)close(end_fds[0]);
	(void)close(end_fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stack_of_its_own_is_no_obstacle),
		cmocka_unit_test(a_thread_that_ends_is_no_obstacle),
		cmocka_unit_test(hundred_snapshots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
