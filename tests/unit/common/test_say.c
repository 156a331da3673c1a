/* SPDX-License-Identifier: MIT */
/*
 * test_say.c - what reaches stderr, byte by byte
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/say.h"

/* The journal's stream is our pipe, but for so much. */
static int journal_off = -1; /* -1: there is no journal */

static void set_journal(int fd)
{
	char text[64];
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	(void)snprintf(text, sizeof(text), "%llu:%llu",
		       (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino +
			       (unsigned long long)journal_off);
	assert_int_equal(setenv("JOURNAL_STREAM", text, 1), 0);
}

/* A packet pipe keeps writes apart: one read() gives one write()'s bytes. */
static size_t said(char *out, size_t size, const char *words)
{
	int pipe_fds[2], saved = dup(STDERR_FILENO);
	ssize_t got;

	assert_true(saved >= 0);
	assert_int_equal(pipe2(pipe_fds, O_DIRECT | O_CLOEXEC), 0);
	if (journal_off >= 0)
		set_journal(pipe_fds[1]);
	assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
	errno = E2BIG;
	say_error("%s", words);
	assert_int_equal(errno, E2BIG);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	(void)close(pipe_fds[1]);
	got = read(pipe_fds[0], out, size - 1);
	(void)close(pipe_fds[0]);
	assert_true(got >= 0);
	out[got] = '\0';
	return (size_t)got;
}

static void expect_said(const char *words, const char *line)
{
	char out[8192];

	(void)said(out, sizeof(out), words);
	assert_string_equal(out, line);
}

static void test_lines(void **state)
{
	say_init("/usr/sbin/mitosisd");
	assert_string_equal(say_name(), "mitosisd");
	expect_said("cannot listen", "mitosisd: cannot listen\n");
	expect_said("a\nb\033[2Jc\177", "mitosisd: a?b?[2Jc?\n");
	expect_said("caf\xc3\xa9", "mitosisd: caf\xc3\xa9\n");
	expect_said(
		"\xc2\x9b"
		"31m",
		"mitosisd: ??31m\n"); /* CSI in UTF-8 */
	expect_said("%s%n", "mitosisd: %s%n\n");
}

/* The journal wants a priority and knows the name; another's stream is none. */
static void test_journal(void **state)
{
	say_init("mitosisd");
	journal_off = 0;
	expect_said("cannot listen\n", "<3>cannot listen?\n");
	journal_off = 1;
	expect_said("cannot listen", "mitosisd: cannot listen\n");
	journal_off = -1;
	assert_int_equal(setenv("JOURNAL_STREAM", "nonsense", 1), 0);
	expect_said("cannot listen", "mitosisd: cannot listen\n");
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

/* A /dev of our own, whose log is a socket of ours; -1 where that cannot be. */
static int own_log(void)
{
	const struct sockaddr_un addr = {AF_UNIX, "/dev/log"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/dev", "tmpfs", 0, NULL)) {
		(void)close(fd);
		return -1;
	}
	assert_int_equal(bind(fd, (const void *)&addr, sizeof(addr)), 0);
	return fd;
}

/* The last test: there is no way back from syslog. */
static void test_syslog(void **state)
{
	char line[4096], end[64];
	int fd = own_log();
	ssize_t got;

	if (fd < 0)
		skip();
	say_init("mitosisd");
	say_to_syslog();
	expect_said("it ended", "");
	got = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);
	assert_true(got > 0);
	line[got] = '\0';
	(void)snprintf(end, sizeof(end), "mitosisd[%d]: it ended", getpid());
	assert_memory_equal(line, "<27>", 4); /* LOG_DAEMON, LOG_ERR */
	assert_non_null(strstr(line, end));
	(void)close(fd);
}

static void test_names(void **state)
{
	say_init("mitosis-load");
	assert_string_equal(say_name(), "mitosis-load");
	say_init("");
	assert_string_equal(say_name(), "mitosis-load");
	say_init(NULL);
	assert_string_equal(say_name(), "mitosis-load");
}

/* Longer than a line may be: cut, and still one line.  O_DIRECT pipes hold a
 * page per packet, so the first read is a page.
 */
static void test_very_long(void **state)
{
	static char words[10000];
	char out[16384];
	size_t len;

	memset(words, 'x', sizeof(words) - 1);
	say_init("p");
	len = said(out, sizeof(out), words);
	assert_true(len >= 4096);
	assert_memory_equal(out, "p: xxx", 6);
}

/* A caller prints, and then still wants the errno it came with. */
static void test_errno_survives_a_failed_write(void **state)
{
	int saved = dup(STDERR_FILENO);
	int mute = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(saved >= 0 && mute >= 0);
	assert_true(dup2(mute, STDERR_FILENO) >= 0);
	errno = E2BIG;
	say_note("words");
	assert_int_equal(errno, E2BIG);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	(void)close(mute);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_very_long),
		cmocka_unit_test(test_errno_survives_a_failed_write),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_syslog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
