/* SPDX-License-Identifier: MIT */
/* What a line of /proc/PID/mountinfo says, and what is no such line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/mountinfo.h"

static int parse(const char *text, struct mountinfo *ret)
{
	static char line[512];

	assert_true(strlen(text) < sizeof(line));
	strcpy(line, text);
	return mountinfo_parse(line, ret);
}

static void line_is_taken_apart(void **state)
{
	struct mountinfo mount;

	assert_int_equal(parse("44 27 0:39 / /mnt/a ro,nosuid shared:7 "
			       "- fuse.mitosisfs host:/image/x ro,user_id=0",
			       &mount),
			 0);
	assert_int_equal(mount.id, 44);
	assert_int_equal(mount.major, 0);
	assert_int_equal(mount.minor, 39);
	assert_string_equal(mount.root, "/");
	assert_string_equal(mount.point, "/mnt/a");
	assert_string_equal(mount.type, "fuse.mitosisfs");
}

static void escapes_are_undone(void **state)
{
	struct mountinfo mount;

	assert_int_equal(
		parse("1 2 8:1 /a\\134b /mnt/my\\040own\\011\\012 rw - x y z",
		      &mount),
		0);
	assert_string_equal(mount.root, "/a\\b");
	assert_string_equal(mount.point, "/mnt/my own\t\n");
	assert_string_equal(mount.type, "x");
	/* What the kernel would not write stays as it is. */
	assert_int_equal(parse("1 2 8:1 / /a\\400\\08\\ rw", &mount), 0);
	assert_string_equal(mount.point, "/a\\400\\08\\");
	assert_string_equal(mount.type, "");
}

static void anything_else_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"44 27 0:39 /",
		"x 27 0:39 / /mnt ro",
		"-1 27 0:39 / /mnt ro",
		"44 27 039 / /mnt ro",
		"44 27 0:x / /mnt ro",
		"44 27 4294967296:1 / /mnt ro",
		"44 27 0:39 root /mnt ro",
		"44 27 0:39 / mnt ro",
	};
	struct mountinfo mount = {.id = 4711};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (parse(wrong[i], &mount) != -EPROTO)
			fail_msg("taken: '%s'", wrong[i]);
	assert_int_equal(mount.id, 4711);
}

static void every_line_of_this_host_is_one(void **state)
{
	CLEANUP_FREE char *text = NULL;
	char *save = NULL, *line;
	struct mountinfo mount;
	size_t len, nr = 0;

	assert_int_equal(io_slurp_at(AT_FDCWD, "/proc/self/mountinfo", 64 << 20,
				     &text, &len),
			 0);
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save), nr++)
		assert_int_equal(mountinfo_parse(line, &mount), 0);
	assert_true(nr > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_is_taken_apart),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(every_line_of_this_host_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
