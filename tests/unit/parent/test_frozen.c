/* SPDX-License-Identifier: MIT */
/*
 * test_frozen.c - a process that its cgroup has frozen is refused soon and goes
 * on unchanged when it is thawed; one that is frozen in its pause as well
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "parent/snapshot.h"
#include "tests/unit/parent/steps.h"
#include "tests/unit/parent/target.h"
#include "tests/unit/parent/watch.h"

#define LIMIT_MS 200
#define THAW_US	 500000

/* The two kinds of freezer. */
struct freezer {
	const char *type, *options, *file, *freeze, *thaw;
};

static const struct freezer v1 = {"cgroup", "freezer", "freezer.state",
				  "FROZEN", "THAWED"};
static const struct freezer v2 = {"cgroup2", NULL, "cgroup.freeze", "1", "0"};

static const struct freezer *freezer; /* NULL: none */
static char mount_dir[] = "/tmp/mitosis-freezer.XXXXXX", group[64];
static pid_t target;
static volatile unsigned *rounds;

static int group_write(const char *file, const char *text)
{
	char path[128];
	ssize_t put = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		put = write(fd, text, strlen(text));
	(void)close(fd);
	return put < 0 ? -1 : 0;
}

static void thaw(void)
{
	assert_int_equal(group_write(freezer->file, freezer->thaw), 0);
}

/* Until the kernel says so: v1 is not there at once. */
static void freeze(void)
{
	char path[128], text[64];
	ssize_t len;
	int fd;

	(void)group_write(freezer->file, freezer->freeze);
	(void)snprintf(path, sizeof(path), "%s/%s", group,
		       freezer == &v2 ? "cgroup.events" : freezer->file);
	for (int i = 0; i < 2000; i++) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		len = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
		text[len > 0 ? len : 0] = '\0';
		if (strstr(text, "frozen 1") || strstr(text, "FROZEN"))
			return;
		(void)usleep(1000);
	}
}

static int use(const struct freezer *kind)
{
	(void)snprintf(group, sizeof(group), "%s/mitosis-%d", mount_dir,
		       getpid());
	if (mount("none", mount_dir, kind->type, 0, kind->options) ||
	    (mkdir(group, 0700) && errno != EEXIST)) {
		(void)umount2(mount_dir, MNT_DETACH);
		return -1;
	}
	freezer = kind;
	return 0;
}

/* Also when a test has failed: who is frozen cannot die of a signal. */
static int leave(void **state)
{
	(void)state;
	if (!freezer)
		return 0;
	(void)group_write(freezer->file, freezer->thaw);
	(void)kill(target, SIGKILL);
	(void)waitpid(target, NULL, 0);
	for (int i = 0; i < 1000 && rmdir(group) && errno == EBUSY; i++)
		(void)usleep(1000);
	(void)umount2(mount_dir, MNT_DETACH);
	freezer = NULL;
	return 0;
}

static void *count(void *arg)
{
	for (;;) {
		++*(volatile unsigned *)arg;
		(void)usleep(300);
	}
	return NULL;
}

static void body(int ready_fd)
{
	pthread_t thread;

	(void)pthread_create(&thread, NULL, count, (void *)&rounds[1]);
	(void)!write(ready_fd, "x", 1);
	(void)count((void *)&rounds[0]);
}

/* Every call but read() and write() would kill it. */
static void strict_body(int ready_fd)
{
	char byte;

	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	(void)!write(ready_fd, "x", 1);
	for (;;) {
		++rounds[0];
		++rounds[1];
		(void)!read(-1, &byte, 1);
	}
}

static bool runs(void)
{
	const unsigned before[] = {rounds[0], rounds[1]};

	for (int i = 0; i < 5000; i++) {
		if (rounds[0] != before[0] && rounds[1] != before[1])
			return true;
		(void)usleep(1000);
	}
	return false;
}

static void begin(const struct freezer *kind, void (*run)(int))
{
	char pid[16];

	if (use(kind))
		skip();
	target = start(run);
	(void)snprintf(pid, sizeof(pid), "%d", target);
	assert_int_equal(group_write("cgroup.procs", pid), 0);
	assert_true(runs()); /* its second thread is all there */
}

static int take(void (*hook)(unsigned step), struct refusal *why)
{
	const struct snapshot_options options = {LIMIT_MS, 1 << 20};
	struct snapshot *snapshot;
	int fds[2], status, rc;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		(void)alarm(60);
		steps_begin(hook);
		rc = snapshot_take(target, &options, &snapshot, why);
		steps_begin(NULL);
		if (rc == 0)
			snapshot_release(snapshot);
		(void)io_write_all(fds[1], why, sizeof(*why));
		_exit(-rc);
	}
	(void)close(fds[1]);
	(void)io_read_all(fds[0], why, sizeof(*why));
	(void)close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status))
		fail_msg("it hangs");
	return -WEXITSTATUS(status);
}

static void refused_and_unharmed(const struct freezer *kind, void (*run)(int))
{
	struct refusal why = {0};
	char *before, *after;
	int rc;

	begin(kind, run);
	before = watch_maps(target);
	freeze();
	for (int i = 0; i < 3; i++) {
		rc = take(NULL, &why);
		if (rc != -EBUSY || !strstr(why.why, "frozen"))
			fail_msg("%d \"%s\"", rc, why.why);
	}
	thaw();
	assert_true(runs());
	after = watch_maps(target);
	assert_string_equal(before, after);
	free(before);
	free(after);
	rc = take(NULL, &why);
	if (rc)
		fail_msg("thawed: %d \"%s\"", rc, why.why);
	assert_true(runs());
}

static void frozen_by_v1(void **state)
{
	(void)state;
	refused_and_unharmed(&v1, body);
}

static void frozen_by_v2(void **state)
{
	(void)state;
	refused_and_unharmed(&v2, body);
}

static void frozen_and_strict(void **state)
{
	(void)state;
	refused_and_unharmed(&v2, strict_body);
}

static unsigned freezing_step;

/* It is thawed some time later, and not by a child of who takes the image. */
static void freeze_at(unsigned step)
{
	pid_t child;

	if (step != freezing_step)
		return;
	(void)group_write(freezer->file, freezer->freeze);
	child = fork();
	if (child == 0) {
		if (fork() == 0) {
			(void)usleep(THAW_US);
			(void)group_write(freezer->file, freezer->thaw);
		}
		_exit(0);
	}
	(void)waitpid(child, NULL, 0);
}

static void frozen_in_the_pause(const struct freezer *kind)
{
	struct refusal why = {0};
	char *before, *after;

	begin(kind, body);
	before = watch_maps(target);
	for (freezing_step = 3; freezing_step < 110; freezing_step += 9) {
		int rc = take(freeze_at, &why);

		if (rc && rc != -EBUSY)
			fail_msg("step %u: %d \"%s\"", freezing_step, rc,
				 why.why);
		(void)usleep(THAW_US / 10);
		thaw();
		if (!runs())
			fail_msg("step %u: it does not run", freezing_step);
		after = watch_maps(target);
		assert_string_equal(before, after);
		free(after);
	}
	free(before);
}

static void frozen_in_the_pause_by_v1(void **state)
{
	(void)state;
	frozen_in_the_pause(&v1);
}

static void frozen_in_the_pause_by_v2(void **state)
{
	(void)state;
	frozen_in_the_pause(&v2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(frozen_by_v2, leave),
		cmocka_unit_test_teardown(frozen_and_strict, leave),
		cmocka_unit_test_teardown(frozen_by_v1, leave),
		cmocka_unit_test_teardown(frozen_in_the_pause_by_v2, leave),
		cmocka_unit_test_teardown(frozen_in_the_pause_by_v1, leave),
	};
	int rc;

	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(mount_dir)) {
		(void)fprintf(stderr, "must be root to freeze\n");
		return 77;
	}
	rounds = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	(void)rmdir(mount_dir);
	return rc;
}
