/* SPDX-License-Identifier: MIT */
/* The group with the least room decides, whichever it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/memroom.h"

static char top[] = "/tmp/memroom-XXXXXX";

static void write_file(const char *group, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s%s/%s", top, group, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void make_group(const char *group)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s%s", top, group);
	(void)mkdir(path, 0700);
}

/* /a/b, as either version has it; limits are set by each test. */
static int make_groups(void **state)
{
	strcpy(top + sizeof(top) - 7, "XXXXXX");
	assert_non_null(mkdtemp(top));
	make_group("/a");
	make_group("/a/b");
	return 0;
}

static int drop(const char *path, const struct stat *st, int type,
		struct FTW *at)
{
	return remove(path);
}

static int remove_groups(void **state)
{
	return nftw(top, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static uint64_t room(const char *groups, const char *root, const char *type)
{
	char mounts[256];

	(void)snprintf(mounts, sizeof(mounts),
		       "no line\n"
		       "1 2 0:1 / / rw - tmpfs none rw\n"
		       "2 2 0:2 %s %s rw - %s none rw\n",
		       root, top, type);
	return memroom_of_groups(groups, mounts);
}

static uint64_t room2(void)
{
	return room("1:name=x:/\n0::/a/b\n", "/", "cgroup2");
}

static void without_limits_there_is_room(void **state)
{
	assert_true(room2() == UINT64_MAX);
	write_file("/a/b", "memory.max", "max\n");
	write_file("/a/b", "memory.current", "4096\n");
	assert_true(room2() == UINT64_MAX);
	assert_true(room("", "/", "cgroup2") == UINT64_MAX);
	assert_true(room("0::/gone\n", "/", "cgroup2") == UINT64_MAX);
}

static void what_is_used_is_taken_off(void **state)
{
	write_file("/a/b", "memory.max", "1000000\n");
	assert_int_equal(room2(), 1000000);
	write_file("/a/b", "memory.current", "300000\n");
	assert_int_equal(room2(), 700000);
	/* But what can be dropped. */
	write_file("/a/b", "memory.stat",
		   "active_file 5\ninactive_file 100000\n");
	assert_int_equal(room2(), 800000);
	write_file("/a/b", "memory.stat", "inactive_file 900000\n");
	assert_int_equal(room2(), 1000000);
	write_file("/a/b", "memory.current", "1000001\n");
	write_file("/a/b", "memory.stat", "");
	assert_int_equal(room2(), 0);
}

static void a_group_above_may_be_fuller(void **state)
{
	write_file("/a/b", "memory.max", "1000000\n");
	write_file("/a/b", "memory.current", "0\n");
	write_file("/a", "memory.max", "2000000\n");
	write_file("/a", "memory.current", "1500000\n");
	assert_int_equal(room2(), 500000);
	write_file("", "memory.max", "400000\n");
	assert_int_equal(room2(), 400000);
}

static void a_soft_limit_is_one(void **state)
{
	write_file("/a/b", "memory.max", "1000000\n");
	write_file("/a/b", "memory.high", "600000\n");
	assert_int_equal(room2(), 600000);
}

static void the_first_version_has_other_names(void **state)
{
	static const char groups[] = "4:cpu,memory:/a/b\n0::/\n";

	write_file("/a/b", "memory.limit_in_bytes", "9223372036854771712\n");
	write_file("/a", "memory.limit_in_bytes", "52428800\n");
	write_file("/a", "memory.usage_in_bytes", "2428800\n");
	write_file("/a", "memory.stat",
		   "inactive_file 9\ntotal_inactive_file 1000\n");
	assert_int_equal(room(groups, "/", "cgroup"), 50001000);
	assert_true(room(groups, "/", "cgroup2") == UINT64_MAX);
}

/* What a container sees: its own group as the root of the mount. */
static void a_mount_may_show_a_part(void **state)
{
	write_file("", "memory.max", "70000\n");
	write_file("/a", "memory.max", "60000\n");
	assert_int_equal(room("0::/box/a\n", "/box", "cgroup2"), 60000);
	assert_int_equal(room("0::/box\n", "/box", "cgroup2"), 70000);
	assert_true(room("0::/other/a\n", "/box", "cgroup2") == UINT64_MAX);
}

static void this_process_has_some_room(void **state)
{
	uint64_t bytes = memroom_bytes();

	assert_true(bytes > 4096 && bytes != UINT64_MAX);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, make_groups, remove_groups)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_limits_there_is_room),
		TEST(what_is_used_is_taken_off),
		TEST(a_group_above_may_be_fuller),
		TEST(a_soft_limit_is_one),
		TEST(the_first_version_has_other_names),
		TEST(a_mount_may_show_a_part),
		cmocka_unit_test(this_process_has_some_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
