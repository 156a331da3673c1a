/* SPDX-License-Identifier: MIT */
/*
 * test_live.c - a file is mapped live where it is surely the parent's, and else
 * not
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/live.h"

#define NS_PER_SECOND UINT64_C(1000000000)

struct fixture {
	char path[32];
	int file;
	struct image_fd fds[2];
	struct image_vma vma;
	struct fate fates[2];
	struct image image;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* An image of who has one file open and maps it to read. */
static void describe(struct fixture *fix)
{
	struct stat st;

	assert_int_equal(fstat(fix->file, &st), 0);
	fix->fds[0] = (struct image_fd){
		.fd = 3,
		.kind = IMAGE_FD_FILE,
		.open_flags = O_RDONLY,
		.same_as = -1,
		.dev = st.st_dev,
		.inode = st.st_ino,
		.mode = st.st_mode,
		.mtime_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_SECOND +
			    (uint64_t)st.st_mtim.tv_nsec,
		.path = fix->path,
	};
	fix->fds[1] = fix->fds[0];
	fix->fds[1].fd = 4;
	fix->fates[0].kind = fix->fates[1].kind = FATE_REOPEN;
	fix->vma = (struct image_vma){
		.start = 0x10000,
		.end = 0x11000,
		.prot = PROT_READ,
		.flags = IMAGE_VMA_SHARED_MAP,
		.kind = IMAGE_VMA_FILE,
		.dev_major = major(st.st_dev),
		.dev_minor = minor(st.st_dev),
		.inode = st.st_ino,
		.name = fix->path,
	};
	fix->image = (struct image){
		.captured_realtime_ns = now_ns() + NS_PER_SECOND,
		.fds = fix->fds,
		.nr_fds = 2,
		.vmas = &fix->vma,
		.nr_vmas = 1,
	};
}

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	assert_non_null(fix);
	(void)strcpy(fix->path, "/tmp/live.XXXXXX");
	fix->file = mkstemp(fix->path);
	assert_true(fix->file >= 0);
	describe(fix);
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	(void)close(fix->file);
	(void)unlink(fix->path);
	free(fix);
	return 0;
}

static bool is_live(const struct fixture *fix)
{
	const struct image_fd **live;
	bool found;

	assert_int_equal(live_find(&fix->image, fix->fates, &live), 0);
	found = live[0];
	free(live);
	return found;
}

static int access_of(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	(void)close(fd);
	return flags & O_ACCMODE;
}

static void a_file_that_is_there_is_live(void **state)
{
	struct fixture *fix = *state;
	int fd;

	assert_true(is_live(fix));
	fd = live_open(&fix->image, fix->fates, &fix->fds[0]);
	assert_true(fd >= 0);
	assert_int_equal(access_of(fd), O_RDONLY);
}

static void who_may_write_may_ask_for_it_later(void **state)
{
	struct fixture *fix = *state;
	int fd;

	fix->fds[1].open_flags = O_RDWR;
	fd = live_open(&fix->image, fix->fates, &fix->fds[0]);
	assert_true(fd >= 0);
	assert_int_equal(access_of(fd), O_RDWR);
}

static void nothing_else_is_live(void **state)
{
	struct fixture *fix = *state;

	fix->vma.flags = 0; /* a private map */
	assert_false(is_live(fix));
	fix->vma.flags = IMAGE_VMA_SHARED_MAP;
	fix->vma.kind = IMAGE_VMA_SHARED;
	assert_false(is_live(fix));
	fix->vma.kind = IMAGE_VMA_FILE;
	fix->vma.dev_minor++;
	assert_false(is_live(fix));
	fix->vma.dev_minor--;
	fix->image.nr_fds = 0;
	assert_false(is_live(fix));
}

static void expect_stale(struct fixture *fix)
{
	assert_false(is_live(fix));
	assert_int_equal(live_open(&fix->image, fix->fates, &fix->fds[0]),
			 -ESTALE);
}

/* Numbers of inodes are used again. */
static void a_file_of_later_is_another(void **state)
{
	struct fixture *fix = *state;

	fix->image.captured_realtime_ns = now_ns() - NS_PER_SECOND * 60;
	expect_stale(fix);
}

static void a_file_that_got_older_is_another(void **state)
{
	struct fixture *fix = *state;

	fix->fds[0].mtime_ns += NS_PER_SECOND;
	expect_stale(fix);
}

static void a_file_in_its_place_is_another(void **state)
{
	struct fixture *fix = *state;

	fix->fds[0].inode++;
	fix->fds[1].inode++;
	fix->vma.inode++;
	expect_stale(fix);
}

static void a_chosen_file_makes_it_the_images(void **state)
{
	struct fixture *fix = *state;

	fix->fates[1].kind = FATE_PATH;
	fix->fates[1].path = "/tmp/copy";
	expect_stale(fix);
	fix->fates[1].kind = FATE_DUP;
	assert_true(is_live(fix));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_that_is_there_is_live),
		TEST(who_may_write_may_ask_for_it_later),
		TEST(nothing_else_is_live),
		TEST(a_file_of_later_is_another),
		TEST(a_file_that_got_older_is_another),
		TEST(a_file_in_its_place_is_another),
		TEST(a_chosen_file_makes_it_the_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
