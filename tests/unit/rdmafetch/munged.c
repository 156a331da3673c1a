/* SPDX-License-Identifier: MIT */
/* munged.c - see munged.h */
#include "munged.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "rdmafetch/sec_munge.h"
#include "tests/contract/leftovers.h"

#define PROGRAM	  "/usr/sbin/munged"
#define KEY_BYTES 64
#define START_MS  20000

bool munged_possible(void)
{
	return sec_munge_is_built && !access(PROGRAM, X_OK);
}

static void write_key(const char *path, char key)
{
	char bytes[KEY_BYTES];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	memset(bytes, key, sizeof(bytes));
	assert_true(fd >= 0);
	assert_int_equal(0, io_write_all(fd, bytes, sizeof(bytes)));
	(void)close(fd);
}

static void run(const struct munged *munged)
{
	static const char *const names[] = {"key", "log", "pid", "seed"};
	static char args[5][80];
	int null = open("/dev/null", O_RDWR);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 4; i++)
		(void)snprintf(args[i], sizeof(args[i]), "--%s-file=%s/%s",
			       names[i], munged->dir, names[i]);
	(void)snprintf(args[4], sizeof(args[4]), "--socket=%s", munged->socket);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	(void)execl(PROGRAM, PROGRAM, "--foreground", args[0], args[1], args[2],
		    args[3], args[4], NULL);
	_exit(127);
}

void munged_start(struct munged *munged, char key)
{
	char path[64];

	leftovers_remove("test-munged");
	leftovers_name("test-munged", sizeof(munged->dir), munged->dir);
	assert_non_null(mkdtemp(munged->dir));
	assert_int_equal(0, chmod(munged->dir, 0755)); /* of its socket */
	(void)snprintf(munged->socket, sizeof(munged->socket), "%s/socket",
		       munged->dir);
	(void)snprintf(path, sizeof(path), "%s/key", munged->dir);
	write_key(path, key);
	munged->pid = fork();
	assert_true(munged->pid >= 0);
	if (!munged->pid)
		run(munged);
	for (int ms = 0; access(munged->socket, F_OK); ms += 10) {
		assert_true(ms < START_MS);
		assert_int_equal(0, waitpid(munged->pid, NULL, WNOHANG));
		(void)poll(NULL, 0, 10);
	}
}

void munged_stop(struct munged *munged)
{
	static const char *const names[] = {"key",  "log",    "pid",
					    "seed", "socket", "socket.lock"};
	char path[64];

	(void)kill(munged->pid, SIGKILL);
	(void)waitpid(munged->pid, NULL, 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", munged->dir,
			       names[i]);
		(void)unlink(path);
	}
	assert_int_equal(0, rmdir(munged->dir));
}
