/* SPDX-License-Identifier: MIT */
/* What files of control groups say, and what they do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cgroup.h"

static void assert_path(const char *text, enum cgroup_version version,
			const char *want)
{
	char path[PATH_MAX];

	assert_int_equal(cgroup_memory_path(text, version, path), 0);
	assert_string_equal(path, want);
}

static int no_path(const char *text, enum cgroup_version version)
{
	char path[PATH_MAX] = "as it was";
	int r = cgroup_memory_path(text, version, path);

	assert_string_equal(path, "as it was");
	return r;
}

static void the_group_of_memory_is_found(void **state)
{
	static const char both[] =
		"9:name=memory:/no\n"
		"8:cpu,mem:/no\n"
		"4:cpuset,memory,pids:/a/b c:d\n"
		"10::/no\n"
		"0:x:/no\n"
		"0::/unified\n";

	assert_path(both, CGROUP_V1, "/a/b c:d");
	assert_path(both, CGROUP_V2, "/unified");
	assert_path("0::/", CGROUP_V2, "/");
	assert_int_equal(no_path("0::/\n", CGROUP_V1), -ENOENT);
	assert_int_equal(no_path("4:memory:/\n", CGROUP_V2), -ENOENT);
	assert_int_equal(no_path("", CGROUP_V2), -ENOENT);
	assert_int_equal(no_path("memory\n4:memory\n\n", CGROUP_V1), -ENOENT);
	assert_int_equal(no_path("0::", CGROUP_V2), -EPROTO);
	assert_int_equal(no_path("4:memory:a\n", CGROUP_V1), -EPROTO);
}

static void a_path_has_room_or_is_refused(void **state)
{
	char text[PATH_MAX + 16], path[PATH_MAX];

	memset(text, 'a', sizeof(text));
	memcpy(text, "0::/", 4);
	text[3 + PATH_MAX] = '\0';
	assert_int_equal(no_path(text, CGROUP_V2), -ENAMETOOLONG);
	text[3 + PATH_MAX - 1] = '\0';
	assert_int_equal(cgroup_memory_path(text, CGROUP_V2, path), 0);
	assert_int_equal(strlen(path), PATH_MAX - 1);
}

/* Of what a mount shows of a hierarchy: the folder, and where it begins. */
static const struct {
	const char *root, *point, *path;
	int want;
	const char *dir;
} folders[] = {
	{"/", "/sys/fs/cgroup", "/a/b", 14, "/sys/fs/cgroup/a/b"},
	{"/", "/sys/fs/cgroup", "/", 14, "/sys/fs/cgroup"},
	{"/", "/", "/a", 0, "/a"},
	{"/docker/1", "/cg", "/docker/1", 3, "/cg"},
	{"/docker/1", "/cg", "/docker/1/x", 3, "/cg/x"},
	{"/docker/1", "/cg", "/docker/12", -EXDEV, NULL},
	{"/docker/1", "/cg", "/", -EXDEV, NULL},
	{"/", "/cg", "/../other", -EXDEV, NULL},
	{"/..", "/cg", "/../other", -EXDEV, NULL},
	{"/", "/cg", "/a/..", -EXDEV, NULL},
	{"/", "/cg", "/a/..b/...", 3, "/cg/a/..b/..."},
};

static void a_group_is_where_its_mount_is(void **state)
{
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		struct mountinfo mount = {.root = folders[i].root,
					  .point = folders[i].point};
		char dir[PATH_MAX] = "";
		int r = cgroup_folder(&mount, folders[i].path, dir);

		if (r != folders[i].want)
			fail_msg("row %zu: %d", i, r);
		if (r >= 0)
			assert_string_equal(dir, folders[i].dir);
	}
}

static void a_folder_has_room_or_is_refused(void **state)
{
	struct mountinfo mount = {.root = "/", .point = "/cg"};
	char path[PATH_MAX], dir[PATH_MAX];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[PATH_MAX - 3] = '\0';
	assert_int_equal(cgroup_folder(&mount, path, dir), -ENAMETOOLONG);
	path[PATH_MAX - 4] = '\0';
	assert_int_equal(cgroup_folder(&mount, path, dir), 3);
	assert_int_equal(strlen(dir), PATH_MAX - 1);
}

static void numbers_are_whole_lines(void **state)
{
	static const char *const wrong[] = {"",
					    "\n",
					    "maximal",
					    "-1\n",
					    "1 2\n",
					    "1k\n",
					    "18446744073709551616\n",
					    "000000000000000000001\n"};
	uint64_t bytes = 7;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (cgroup_parse_bytes(wrong[i], &bytes) != -EPROTO)
			fail_msg("taken: '%s'", wrong[i]);
	assert_int_equal(bytes, 7);
	assert_int_equal(cgroup_parse_bytes("52428800\n", &bytes), 0);
	assert_int_equal(bytes, 52428800);
	assert_int_equal(cgroup_parse_bytes("max\n", &bytes), 0);
	assert_true(bytes == UINT64_MAX);
	assert_int_equal(cgroup_parse_bytes("9223372036854771712", &bytes), 0);
	assert_true(bytes == 9223372036854771712u);
}

static void a_line_of_stat_is_found_by_its_whole_key(void **state)
{
	static const char text[] =
		"total_inactive_file 1\n"
		"inactive_file_x 2\n"
		"inactive_file 4096\n"
		"bad x\n"
		"last 5";
	uint64_t value = 7;

	assert_int_equal(cgroup_parse_stat(text, "inactive_file", &value), 0);
	assert_int_equal(value, 4096);
	assert_int_equal(cgroup_parse_stat(text, "last", &value), 0);
	assert_int_equal(value, 5);
	assert_int_equal(cgroup_parse_stat(text, "bad", &value), -EPROTO);
	assert_int_equal(cgroup_parse_stat(text, "none", &value), -EPROTO);
	assert_int_equal(value, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_group_of_memory_is_found),
		cmocka_unit_test(a_path_has_room_or_is_refused),
		cmocka_unit_test(a_group_is_where_its_mount_is),
		cmocka_unit_test(a_folder_has_room_or_is_refused),
		cmocka_unit_test(numbers_are_whole_lines),
		cmocka_unit_test(a_line_of_stat_is_found_by_its_whole_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
