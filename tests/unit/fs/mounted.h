/* SPDX-License-Identifier: MIT */
/*
 * mounted.h - a session over the null transport, mounted in a private mount
 * namespace by a process of its own; for the tests of fs/
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "fs/session.h"
#include "rdmafetch/null.h"
#include "tests/unit/fs/sample.h"

static char mountpoint[] = "/tmp/mitosis-mounted-test.XXXXXX";
static bool can_mount;

static void null_words(void *arg, char *text)
{
	(void)strcpy(text, "null");
}

static void tell_ready(void *arg)
{
	(void)io_write_all(*(int *)arg, "x", 1);
}

/* The exit status is the errno of session_open() or session_run(). */
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
	    null_open(faults, &from.transport))
		return 1;
	r = session_open(&options, &from, &session);
	if (r)
		return -r;
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

/* Wait until the status has @line. */
static bool comes_line(const char *line)
{
	bool comes = false;

	for (int tries = 0; tries < 1000 && !comes; tries++) {
		char *text = slurp("status");

		comes = strstr(text, line) != NULL;
		free(text);
		(void)usleep(10000);
	}
	return comes;
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
