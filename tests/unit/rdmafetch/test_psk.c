/* SPDX-License-Identifier: MIT */
/* test_psk.c - key files: what is taken, and what is not */
#include "rdmafetch/psk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/wire.h"
#include "tests/contract/keyfile.h"
#include "tests/contract/leftovers.h"

static char why[WIRE_WHY_MAX + 1];
static struct psk_key key;
static unsigned line;

static int find(const char *text, const char *name)
{
	line = 0;
	return psk_find(text, strlen(text), name, &key, &line);
}

static void a_name_has_its_own_key(void **state)
{
	static const char text[] =
		"# of this cluster\n"
		"\n"
		"alice:" KEYFILE_KEY
		"\n"
		"al:" KEYFILE_OTHER
		"\r\n"
		"bob:ABCDEFabcdef00112233445566778899aabb";

	assert_int_equal(1, find(text, "alice"));
	assert_int_equal(16, key.len_bytes);
	assert_int_equal(0x00, key.bytes[0]);
	assert_int_equal(0xff, key.bytes[15]);
	assert_int_equal(1, find(text, "al"));
	assert_int_equal(0xff, key.bytes[0]);
	assert_int_equal(1, find(text, "bob"));
	assert_int_equal(18, key.len_bytes);
	assert_int_equal(0xab, key.bytes[0]);
	assert_int_equal(0, find(text, "a"));
	assert_int_equal(0, find(text, "alice2"));
	assert_int_equal(0, find(text, ""));
	assert_int_equal(0, find("", "alice"));
}

static void the_first_key_of_a_name_counts(void **state)
{
	assert_int_equal(1, find("a:" KEYFILE_OTHER "\na:" KEYFILE_KEY, "a"));
	assert_int_equal(0xff, key.bytes[0]);
}

/* Whoever is looked for, and wherever the line is. */
static void a_broken_line_spoils_the_file(void **state)
{
	static const char *const lines[] = {
		"alice",
		":" KEYFILE_KEY,
		"alice:",
		"alice:0011",
		"alice:" KEYFILE_KEY "0",
		"alice:" KEYFILE_KEY " ",
		"alice: " KEYFILE_KEY,
		"alice:zz112233445566778899aabbccddeeff",
		"a b:" KEYFILE_KEY,
		"\x7f:" KEYFILE_KEY,
		"alice:" KEYFILE_KEY KEYFILE_KEY KEYFILE_KEY KEYFILE_KEY "00",
		"a1234567890123456789012345678901234567890123456789012345678901"
		"234:" KEYFILE_KEY,
	};
	char text[512];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		(void)snprintf(text, sizeof(text), "bob:" KEYFILE_KEY "\n%s\n",
			       lines[i]);
		assert_int_equal(-EINVAL, find(text, "bob"));
		assert_int_equal(2, line);
		assert_int_equal(-EINVAL, find(text, "nobody"));
	}
}

static void file_must_be_its_readers_alone(void **state)
{
	static const mode_t others[] = {0640, 0604, 0620, 0602, 0610, 0660};
	char path[KEYFILE_PATH_MAX];

	keyfile_make("a:" KEYFILE_KEY "\n", path);
	assert_int_equal(1, psk_read(path, "a", &key, why));
	assert_int_equal(0, psk_read(path, "b", &key, why));
	assert_int_equal(0, psk_read(path, NULL, &key, why));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(0, chmod(path, others[i]));
		assert_int_equal(-EACCES, psk_read(path, "a", &key, why));
		assert_non_null(strstr(why, "chmod 600"));
	}
	assert_int_equal(0, chmod(path, 0400));
	assert_int_equal(1, psk_read(path, "a", &key, why));
	(void)unlink(path);
	assert_int_equal(-ENOENT, psk_read(path, "a", &key, why));
	assert_non_null(strstr(why, "No such file"));
}

static void file_must_belong_to_its_reader(void **state)
{
	char path[KEYFILE_PATH_MAX];

	if (geteuid()) {
		print_message("only root can give files away\n");
		skip();
	}
	keyfile_make("a:" KEYFILE_KEY "\n", path);
	assert_int_equal(0, chown(path, 65534, 65534));
	assert_int_equal(-EACCES, psk_read(path, "a", &key, why));
	assert_non_null(strstr(why, "belongs to somebody else"));
	(void)unlink(path);
}

static void what_is_no_key_file_is_told(void **state)
{
	char path[KEYFILE_PATH_MAX];

	assert_int_equal(-EINVAL, psk_read("/dev/null", "a", &key, why));
	assert_int_equal(-EINVAL, psk_read("/tmp", "a", &key, why));
	keyfile_make("# nothing\n\n", path);
	assert_int_equal(-ENODATA, psk_read(path, "a", &key, why));
	(void)unlink(path);
	keyfile_make("a:" KEYFILE_KEY "\nb\n", path);
	assert_int_equal(-EINVAL, psk_read(path, "a", &key, why));
	assert_non_null(strstr(why, "line 2"));
	assert_int_equal(0, truncate(path, PSK_FILE_MAX + 1));
	assert_int_equal(-EFBIG, psk_read(path, "a", &key, why));
	(void)unlink(path);
}

/* A file of a process that has ended, and a folder with one in it. */
static void leave(char file[64], char dir[64], char inner[80])
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	assert_int_equal(pid, waitpid(pid, &status, 0));
	(void)snprintf(file, 64, "/tmp/" KEYFILE_WHAT ".%d.left", (int)pid);
	(void)snprintf(dir, 64, "/tmp/" KEYFILE_WHAT ".%d.leftdir", (int)pid);
	(void)snprintf(inner, 80, "%s/key", dir);
	assert_int_equal(0, mkdir(dir, 0700));
	(void)close(creat(inner, 0600));
	(void)close(creat(file, 0600));
}

static void files_of_killed_tests_go_and_no_others(void **state)
{
	char file[64], dir[64], inner[80], path[KEYFILE_PATH_MAX];
	char other[] = "/tmp/" KEYFILE_WHAT "-other.1.x";
	char alive[KEYFILE_PATH_MAX];

	keyfile_make("mine\n", alive);
	leave(file, dir, inner);
	(void)close(creat(other, 0600));
	keyfile_make("mine\n", path);
	assert_int_equal(0, unlink(other));
	assert_int_equal(0, unlink(alive));
	assert_int_equal(0, unlink(path));
	assert_int_equal(-1, access(file, F_OK));
	assert_int_equal(-1, access(dir, F_OK));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_its_own_key),
		cmocka_unit_test(the_first_key_of_a_name_counts),
		cmocka_unit_test(a_broken_line_spoils_the_file),
		cmocka_unit_test(file_must_be_its_readers_alone),
		cmocka_unit_test(file_must_belong_to_its_reader),
		cmocka_unit_test(what_is_no_key_file_is_told),
		cmocka_unit_test(files_of_killed_tests_go_and_no_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
