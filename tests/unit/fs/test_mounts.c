/* SPDX-License-Identifier: MIT */
/*
 * Mounts of one file system: counted, made from each other, attached, taken
 * away. In a mount namespace of its own, with a tmpfs for the file system.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/mounts.h"

static struct {
	char dir[32], a[48], b[48], spaced[48];
	dev_t dev;
	int may;
} it;

static void make(char *path, size_t size, const char *name)
{
	(void)snprintf(path, size, "%s/%s", it.dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int set_up(void **state)
{
	(void)snprintf(it.dir, sizeof(it.dir), "/tmp/mounts.XXXXXX");
	assert_non_null(mkdtemp(it.dir));
	make(it.a, sizeof(it.a), "a");
	make(it.b, sizeof(it.b), "b");
	make(it.spaced, sizeof(it.spaced), "c \\d");
	it.may = !unshare(CLONE_NEWNS) &&
		 !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		 !mount("x", it.a, "tmpfs", 0, NULL) &&
		 !mounts_device(it.a, &it.dev);
	return 0;
}

static int tear_down(void **state)
{
	for (int i = 0; i < 4; i++) {
		(void)umount2(it.a, MNT_DETACH);
		(void)umount2(it.b, MNT_DETACH);
		(void)umount2(it.spaced, MNT_DETACH);
	}
	(void)rmdir(it.a);
	(void)rmdir(it.b);
	(void)rmdir(it.spaced);
	return rmdir(it.dir);
}

static void need_mounts(void)
{
	if (!it.may) {
		print_message("only who may mount can try this\n");
		skip();
	}
}

static void clones_are_the_same_file_system(void **state)
{
	dev_t dev;
	int clone;

	need_mounts();
	assert_int_equal(mounts_count(it.dev), 1);
	clone = mounts_clone_at(it.dev, it.a);
	assert_true(clone >= 0);
	assert_true(fcntl(clone, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(mounts_count(it.dev), 1);
	assert_int_equal(mounts_attach(clone, it.spaced), 0);
	assert_int_equal(close(clone), 0);
	assert_int_equal(mounts_count(it.dev), 2);
	assert_int_equal(mounts_device(it.spaced, &dev), 0);
	assert_true(dev == it.dev);
	assert_int_equal(mounts_attach(-1, it.b), -EBADF);
	assert_int_equal(mounts_clone_at(it.dev, it.b), -ESTALE);
}

/* An older kernel makes none from one that is nowhere: EINVAL, as of a pipe. */
static void clone_is_made_from_an_attached_one_where_it_must(void **state)
{
	int fds[2], clone;

	need_mounts();
	assert_int_equal(pipe(fds), 0);
	clone = mounts_clone(it.dev, fds[0]);
	assert_true(clone >= 0);
	assert_int_equal(mounts_attach(clone, it.b), 0);
	(void)close(clone);
	assert_int_equal(mounts_count(it.dev), 3);
	assert_int_equal(mounts_clone(makedev(0, 0xfffff), fds[0]), -ENOENT);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void all_go_but_what_is_anothers(void **state)
{
	int holder, held;
	struct stat st;
	dev_t dev;

	need_mounts();
	holder = mounts_clone_at(it.dev, it.a);
	assert_true(holder >= 0);
	assert_int_equal(umount(it.b), 0);
	assert_int_equal(mount("y", it.b, "tmpfs", 0, NULL), 0);
	assert_int_equal(mount("z", it.a, "tmpfs", 0, NULL), 0);
	mounts_detach(it.dev);
	/* Under z it cannot be reached; y and z are none of ours. */
	assert_int_equal(mounts_count(it.dev), 1);
	assert_int_equal(mounts_device(it.b, &dev), 0);
	assert_true(dev != it.dev);
	assert_int_equal(mounts_hold_any(it.dev), -ENOENT);
	assert_int_equal(umount(it.a), 0);
	held = mounts_hold_any(it.dev);
	assert_true(held >= 0);
	assert_true(fcntl(held, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(held, &st), 0);
	assert_true(st.st_dev == it.dev);
	(void)close(held);
	mounts_detach(it.dev);
	assert_int_equal(mounts_count(it.dev), 0);
	assert_int_equal(mounts_hold_any(it.dev), -ENOENT);
	/* Held, it can be had again. */
	assert_int_equal(umount(it.b), 0);
	assert_int_equal(mounts_attach(holder, it.b), 0);
	assert_int_equal(mounts_count(it.dev), 1);
	(void)close(holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clones_are_the_same_file_system),
		cmocka_unit_test(
			clone_is_made_from_an_attached_one_where_it_must),
		cmocka_unit_test(all_go_but_what_is_anothers),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
