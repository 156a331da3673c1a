/* SPDX-License-Identifier: MIT */
/*
 * test_procpath.c - whose a path in a procfs is, by its text and by what is
 * mounted
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/procpath.h"

/* In its pid namespace 50, with a second thread 51; for its host 1050. */
static struct image_thread threads[] = {{.tid = 50}, {.tid = 51}};
static const struct image image = {
	.pid = 50,
	.host_pid = 1050,
	.threads = threads,
	.nr_threads = 2,
};

static void is(const char *path, const char *want)
{
	char room[PROCPATH_BYTES];
	const char *own = NULL, *reason = NULL;

	assert_int_equal(procpath_own(&image, path, room, &own, &reason), 0);
	assert_string_equal(own, want);
}

static void refused(const char *path, const char *word)
{
	char room[PROCPATH_BYTES];
	const char *own, *reason = "";

	assert_int_equal(procpath_own(&image, path, room, &own, &reason),
			 -EOPNOTSUPP);
	assert_non_null(strstr(reason, word));
}

static void its_own_is_the_childs(void **state)
{
	is("/proc/50/mem", "/proc/self/mem");
	is("/proc/50/net/tcp", "/proc/self/net/tcp");
	is("/proc/50", "/proc/self");
	is("/proc/50/task", "/proc/self/task");
	is("/proc/50/task/50/comm", "/proc/thread-self/comm");
	is("/proc/50/task/50", "/proc/thread-self");
	is("/proc/1050/mem", "/proc/self/mem");
	is("/proc/1050/task/1050/comm", "/proc/thread-self/comm");
}

static void others_are_refused(void **state)
{
	refused("/proc/1/stat", "another process");
	refused("/proc/5/stat", "another process");
	refused("/proc/500/stat", "another process");
	refused("/proc/7/task/50/stat", "another process");
	refused("/proc/51/stat", "thread");
	refused("/proc/50/task/51/stat", "thread");
	refused("/proc/50/task/5/stat", "thread");
}

static void what_is_nobodys_stays(void **state)
{
	is("/proc/meminfo", "/proc/meminfo");
	is("/proc", "/proc");
	is("/proc/50x/mem", "/proc/50x/mem");
	is("/proc/sys/kernel/1", "/proc/sys/kernel/1");
	is("/proc/irq/1/affinity_hint", "/proc/irq/1/affinity_hint");
	is("/50/mem", "/50/mem");
	is("/tmp/50/mem", "/tmp/50/mem");
	is("relative/50", "relative/50");
	is("", "");
}

/* A folder that is only called so, and one that only shows a procfs. */
static void the_mount_decides(void **state)
{
	char dir[] = "/tmp/procpath.XXXXXX";

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("proc", 0700), 0);
	assert_int_equal(symlink("/proc", "outside"), 0);
	is("proc/50/mem", "proc/50/mem");
	is("outside/50/mem", "outside/self/mem");
	refused("outside/1/mem", "another process");
	assert_int_equal(unlink("outside"), 0);
	assert_int_equal(rmdir("proc"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* The paths lead to where this process is. */
static void they_lead_here(void **state)
{
	char room[PROCPATH_BYTES];
	const char *own, *reason;
	char name[16] = "";
	int fd;

	assert_int_equal(procpath_own(&image, "/proc/50/task/50/comm", room,
				      &own, &reason),
			 0);
	fd = open(own, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, name, sizeof(name)) > 0);
	assert_string_equal(name, "test_procpath\n");
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_own_is_the_childs),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(what_is_nobodys_stays),
		cmocka_unit_test(the_mount_decides),
		cmocka_unit_test(they_lead_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
