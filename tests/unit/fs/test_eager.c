/* SPDX-License-Identifier: MIT */
/*
 * Everything is brought before anybody asks: a session in mode=eager over the
 * null transport, which may refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "common/page.h"
#include "common/source.h"
#include "fs/session.h"
#include "rdmafetch/null.h"
#include "tests/unit/fs/sample.h"

static char mountpoint[] = "/tmp/mitosis-eager-test.XXXXXX";
static bool can_mount;

static void null_words(void *arg, char *text)
{
	(void)strcpy(text, "null");
}

static void tell_ready(void *arg)
{
	(void)io_write_all(*(int *)arg, "x", 1);
}

/* The exit status is the errno of session_run(). */
static int serve(const char *wanted, const struct null_options *faults,
		 int ready_fd)
{
	char *argv[] = {"mitosisfs", "local:/pid/77", mountpoint,
			"-o",	     (char *)wanted,  NULL};
	struct options options;
	struct session *session;
	struct image *image = sample_image();
	struct session_image from = {
		.image = image,
		.desc = "desc",
		.desc_bytes = 4,
		.origin = {.source = "local:/pid/77",
			   .transport = null_words,
			   .name = "",
			   .image = image},
	};
	int r;

	if (options_parse(5, argv, &options) ||
	    null_open(faults, &from.transport) ||
	    session_open(&options, &from, &session))
		return 1;
	r = session_run(session, tell_ready, &ready_fd);
	session_close(session);
	image_free(image);
	options_done(&options);
	return -r;
}

static pid_t start(const char *wanted, const struct null_options *faults,
		   int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (!can_mount) {
		print_message("needs root, to mount\n");
		skip();
	}
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(fds[0]);
		_exit(serve(wanted, faults, fds[1]));
	}
	(void)close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

static bool comes_ready(int fd)
{
	char ready;
	bool comes = io_read_all(fd, &ready, 1) == 0;

	(void)close(fd);
	return comes;
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_has(const char *text, const char *line)
{
	if (!text || !strstr(text, line))
		fail_msg("no '%s' in:\n%s", line, text ? text : "nothing");
}

static char *slurp(const char *name)
{
	char path[128], *text;
	size_t len;

	(void)snprintf(path, sizeof(path), "%s/%s", mountpoint, name);
	assert_int_equal(io_slurp_at(AT_FDCWD, path, 1 << 20, &text, &len), 0);
	return text;
}

/* What the image has lies in the page cache: looking at it asks nobody. */
static void look_at_every_page(void)
{
	struct image *image = sample_image();
	char path[128];
	uint64_t word;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/image/.space", mountpoint);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (uint32_t i = 0; i < image->nr_runs; i++)
		for (uint64_t n = 0; n < image->runs[i].nr_pages; n++) {
			uint64_t raddr = (image->runs[i].first_page + n)
					 << PAGE_SHIFT;

			assert_int_equal(pread(fd, &word, 8, (off_t)raddr), 8);
			assert_int_equal(word, null_word(SOURCE_MEMORY, raddr));
		}
	(void)close(fd);
	image_free(image);
}

static void with_wait_all_is_here_before_the_mount_is(void **state)
{
	int fd;
	pid_t pid = start("mode=eager,eager=wait", NULL, &fd);
	char *text;

	assert_true(comes_ready(fd));
	look_at_every_page();
	text = slurp("status");
	assert_has(text, "\nmode: eager\n");
	assert_has(text, "\neager: complete\n");
	assert_has(text, "\npages_here: 7\n");
	assert_has(text, "\npages_prefetch: 7\n");
	assert_has(text, "\nreads_demand: 0\n");
	free(text);
	text = slurp("status.json");
	assert_has(text, "\"eager\": \"complete\"");
	assert_has(text, "\"mode\": \"eager\"");
	free(text);
	assert_int_equal(umount(mountpoint), 0);
	assert_int_equal(status_of(pid), 0);
}

static void in_the_background_it_comes_soon(void **state)
{
	const struct null_options slow = {.delay_ns = 20000000};
	int fd;
	pid_t pid = start("mode=eager", &slow, &fd);
	bool complete = false;

	assert_true(comes_ready(fd));
	for (int tries = 0; tries < 1000 && !complete; tries++) {
		char *text = slurp("status");

		complete = strstr(text, "\neager: complete\n") != NULL;
		free(text);
		(void)usleep(10000);
	}
	assert_true(complete);
	look_at_every_page();
	assert_int_equal(umount(mountpoint), 0);
	assert_int_equal(status_of(pid), 0);
}

static void with_wait_a_missing_page_is_no_mount(void **state)
{
	const struct null_options faults = {.fail_every = 1,
					    .fail_result = -EREMOTEIO};
	int fd;
	pid_t pid = start("mode=eager,eager=wait", &faults, &fd);

	assert_false(comes_ready(fd));
	assert_int_equal(status_of(pid), EREMOTEIO);
	assert_int_equal(umount(mountpoint), -1);
	assert_int_equal(errno, EINVAL); /* not mounted */
}

/* In the background that is a word in the status, and reads say why. */
static void without_wait_a_missing_page_is_told(void **state)
{
	const struct null_options faults = {.fail_every = 1,
					    .fail_result = -EREMOTEIO};
	int fd;
	pid_t pid = start("mode=eager", &faults, &fd);
	bool failed = false;

	assert_true(comes_ready(fd));
	for (int tries = 0; tries < 1000 && !failed; tries++) {
		char *text = slurp("status");

		failed = strstr(text, "\neager: failed\n") != NULL;
		free(text);
		(void)usleep(10000);
	}
	assert_true(failed);
	assert_int_equal(umount(mountpoint), 0);
	assert_int_equal(status_of(pid), 0);
}

static void an_unmount_ends_it(void **state)
{
	const struct null_options silent = {.lose_every = 1};
	int fd;
	pid_t pid = start("mode=eager,timeo=10", &silent, &fd);

	assert_true(comes_ready(fd));
	assert_int_equal(umount2(mountpoint, MNT_DETACH), 0);
	assert_int_equal(status_of(pid), 0);
}

static int set_up(void **state)
{
	if (!mkdtemp(mountpoint))
		return -1;
	can_mount = !unshare(CLONE_NEWNS) &&
		    !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return 0;
}

static int tear_down(void **state)
{
	return rmdir(mountpoint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_wait_all_is_here_before_the_mount_is),
		cmocka_unit_test(in_the_background_it_comes_soon),
		cmocka_unit_test(with_wait_a_missing_page_is_no_mount),
		cmocka_unit_test(without_wait_a_missing_page_is_told),
		cmocka_unit_test(an_unmount_ends_it),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
