/* SPDX-License-Identifier: MIT */
/*
 * The guard on self-checking programs converted in place.  Argument 1 is the
 * victim program.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inplace.h"
#include "loader/fence.h"
#include "loader/guard_filter.h"
#include "loader/guard_inject.h"
#include "victim.h"

static char *program;

static void run(struct inplace *in, enum inplace_mode mode, const char *name)
{
	char *const argv[] = {program, (char *)(uintptr_t)name, NULL};

	in->mode = mode;
	in->timeout_s = 60;
	assert_int_equal(inplace_run(in, argv), 0);
	assert_int_equal(in->served, 0);
}

static bool is_wrong(const struct inplace *in)
{
	return !WIFEXITED(in->status) || WEXITSTATUS(in->status) == 1;
}

static void assert_right(const struct inplace *in)
{
	if (WIFEXITED(in->status) && WEXITSTATUS(in->status) == VICTIM_SKIP)
		skip();
	assert_true(WIFEXITED(in->status));
	assert_int_equal(WEXITSTATUS(in->status), 0);
}

/* Right by itself, wrong without the guard, right with it. */
static void needs_guard(const char *name)
{
	struct inplace in = {0};

	run(&in, INPLACE_NATIVE, name);
	assert_right(&in);
	run(&in, INPLACE_BARE, name);
	assert_true(is_wrong(&in));
	run(&in, INPLACE_GUARDED, name);
	assert_right(&in);
	assert_true(in.stats.replaced + in.stats.moved > 0);
}

/* Right either way; the guard must not break it. */
static void keeps(const char *name)
{
	struct inplace in = {0};

	run(&in, INPLACE_GUARDED, name);
	assert_right(&in);
}

#define NEEDS(fn, name)                                                        \
	static void fn(void **state)                                           \
	{                                                                      \
		needs_guard(name);                                             \
	}
#define KEEPS(fn, name)                                                        \
	static void fn(void **state)                                           \
	{                                                                      \
		keeps(name);                                                   \
	}

NEEDS(dropped_pages_are_zero, "basic")
NEEDS(errno_is_exact_and_partial_effects_too, "errnos")
NEEDS(protections_are_kept, "protections")
NEEDS(guard_pages_leave_zeros, "guard-pages")
NEEDS(other_names_of_the_call_are_no_hole, "by-vector")
NEEDS(every_way_of_mremap, "remap-ways")
NEEDS(random_operations_match_a_model, "remap-fuzz")
NEEDS(threads_under_a_storm_of_signals, "many-threads")
NEEDS(forks_keep_the_guard, "forks")
KEEPS(real_file_maps_give_the_file_back, "real-file")
KEEPS(realloc_keeps_its_bytes, "reallocs")
KEEPS(heap_end_moves, "heap-end")
KEEPS(stacks_grow, "stack")
KEEPS(glibc_arenas, "arena")
KEEPS(glibc_at_random, "alloc-fuzz")
KEEPS(exec_takes_the_leader_away, "exec-amid")

static void jemalloc_at_random(void **state)
{
	static const char *const places[] = {
		"/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
		"/usr/lib64/libjemalloc.so.2",
	};
	struct inplace in = {0};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (!access(places[i], R_OK))
			in.preload = places[i];
	if (!in.preload) {
		print_message("no libjemalloc.so.2\n");
		skip();
	}
	run(&in, INPLACE_NATIVE, "alloc-fuzz");
	assert_right(&in);
	run(&in, INPLACE_BARE, "alloc-fuzz");
	assert_true(is_wrong(&in));
	run(&in, INPLACE_GUARDED, "alloc-fuzz");
	assert_right(&in);
	assert_true(in.stats.replaced > 0);
}

/* A debugger has the threads: zeros are written instead. */
static void another_tracer(void **state)
{
	struct inplace in = {0};

	run(&in, INPLACE_TRACED, "basic");
	assert_right(&in);
	assert_int_equal(in.stats.replaced, 0);
	assert_true(in.stats.zero_filled > 0);
	run(&in, INPLACE_TRACED, "protections");
	assert_right(&in);
	run(&in, INPLACE_TRACED, "many-threads");
	assert_right(&in);
}

static void stopped_and_continued(void **state)
{
	struct inplace in = {0};

	run(&in, INPLACE_STOPPED, "fresh-slots");
	assert_right(&in);
	assert_true(in.stats.replaced > 0);
}

static void no_map_is_left(void **state)
{
	struct inplace in = {0};

	run(&in, INPLACE_GUARDED, "max-maps");
	assert_right(&in);
	assert_true(in.stats.zero_filled > 0);
}

static void killed_threads_do_not_hang_it(void **state)
{
	for (int i = 0; i < 5; i++) {
		struct inplace in = {0};

		run(&in, INPLACE_GUARDED, "killed-amid");
		assert_true(WIFSIGNALED(in.status));
		assert_int_equal(WTERMSIG(in.status), SIGKILL);
	}
}

static void __attribute__((noreturn)) wait_for_ever(void)
{
	(void)alarm(30); /* whatever became of the test */
	for (;;)
		(void)pause();
}

static pid_t start_waiter(void)
{
	pid_t pid = fork();

	if (pid == 0)
		wait_for_ever();
	assert_true(pid > 0);
	return pid;
}

/* Holds @pid and says so; with @lets_go lets it go first. */
static pid_t start_holder(pid_t pid, bool lets_go)
{
	const struct seccomp_data no_such_call = {0};
	struct guard_inject inject;
	int ready[2];
	char said = 0;
	pid_t holder;

	assert_int_equal(pipe(ready), 0);
	holder = fork();
	assert_true(holder >= 0);
	if (holder == 0) {
		if (guard_inject_seize(&inject, pid))
			_exit(99);
		if (lets_go)
			(void)guard_inject_stop(&inject, &no_such_call);
		(void)!write(ready[1], "x", 1);
		wait_for_ever();
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &said, 1), 1);
	(void)close(ready[0]);
	return holder;
}

/* A thread in the middle of a call of ours must not go on with its result. */
static void who_is_held_dies_with_the_guard(void **state)
{
	pid_t pid = start_waiter(), holder = start_holder(pid, false);
	int status;

	assert_int_equal(kill(holder, SIGKILL), 0);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void who_was_let_go_lives_on(void **state)
{
	pid_t pid = start_waiter(), holder = start_holder(pid, true);
	int status;

	assert_int_equal(kill(holder, SIGKILL), 0);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void windows_are_checked(void **state)
{
	struct guard_window windows[2] = {{1, 4096, 8192, 0},
					  {1, 4096, 12288, 0}};
	const struct guard_options options = {.windows = windows,
					      .nr_windows = 2};
	struct guard *guard;

	assert_int_equal(guard_open(-1, &options, &guard), -EINVAL);
	windows[1].start_bytes = 8192;
	windows[0].start_bytes = 8192;
	assert_int_equal(guard_open(-1, &options, &guard), -EINVAL);
	windows[0].start_bytes = 4097;
	assert_int_equal(guard_open(-1, &options, &guard), -EINVAL);
}

#define COOKIE 0xfeedfacecafef00d

/* In a process that is filtered; 0 when all is right, else which is not. */
static int use_own_filter(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec all = {page, 4096};
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	const int install = GUARD_MADV_GUARD_INSTALL;
	const bool can = fence_try_memory();

	if (page == MAP_FAILED || self < 0 || guard_filter_install_own(COOKIE))
		return 1;
	*page = 1;
	if (!syscall(SYS_madvise, page, 4096, install, 0, 0, COOKIE ^ 1) ||
	    errno != EINVAL)
		return 2;
	if (can && syscall(SYS_madvise, page, 4096, install, 0, 0, COOKIE))
		return 3;
	(void)madvise(page, 4096, install + 1); /* MADV_GUARD_REMOVE */
	if (syscall(SYS_process_madvise, self, &all, 1, install, 0) >= 0 ||
	    errno != EINVAL)
		return 4;
	if (madvise(page, 4096, MADV_DONTNEED) || *page)
		return 5;
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER ? 0 : 6;
}

static void own_memory_has_no_new_guard_regions(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(use_own_filter());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_held_dies_with_the_guard),
		cmocka_unit_test(who_was_let_go_lives_on),
		cmocka_unit_test(windows_are_checked),
		cmocka_unit_test(own_memory_has_no_new_guard_regions),
		cmocka_unit_test(dropped_pages_are_zero),
		cmocka_unit_test(errno_is_exact_and_partial_effects_too),
		cmocka_unit_test(protections_are_kept),
		cmocka_unit_test(guard_pages_leave_zeros),
		cmocka_unit_test(other_names_of_the_call_are_no_hole),
		cmocka_unit_test(realloc_keeps_its_bytes),
		cmocka_unit_test(every_way_of_mremap),
		cmocka_unit_test(random_operations_match_a_model),
		cmocka_unit_test(threads_under_a_storm_of_signals),
		cmocka_unit_test(forks_keep_the_guard),
		cmocka_unit_test(real_file_maps_give_the_file_back),
		cmocka_unit_test(heap_end_moves),
		cmocka_unit_test(stacks_grow),
		cmocka_unit_test(glibc_arenas),
		cmocka_unit_test(glibc_at_random),
		cmocka_unit_test(jemalloc_at_random),
		cmocka_unit_test(exec_takes_the_leader_away),
		cmocka_unit_test(killed_threads_do_not_hang_it),
		cmocka_unit_test(another_tracer),
		cmocka_unit_test(stopped_and_continued),
		cmocka_unit_test(no_map_is_left),
	};

	if (argc < 2)
		return 2;
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
