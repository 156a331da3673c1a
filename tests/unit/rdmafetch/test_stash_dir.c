/* SPDX-License-Identifier: MIT */
/*
 * test_stash_dir.c - who may have the directory, one user a file, one bound for
 * all files
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "rdmafetch/stash_dir.h"

#define MIB (1ull << 20)

static char base[] = "/tmp/test_stash_dir.XXXXXX";
static char path[64];
static int dir_fd = -1;

static void refused(const char *at, int want, const char *word)
{
	char why[STASH_WHY_MAX + 1] = "";
	int fd = -1;

	assert_int_equal(stash_dir_open(at, &fd, why), want);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(why, word));
}

static void a_directory_is_made(void **state)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void an_open_directory_is_refused(void **state)
{
	static const mode_t modes[] = {0750, 0701, 0710, 0777};

	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		refused(path, -EPERM, "0700");
	}
	assert_int_equal(chmod(path, 0700), 0);
}

static void anothers_directory_is_refused(void **state)
{
	if (geteuid()) {
		print_message("only root can give a directory away\n");
		skip();
	}
	assert_int_equal(chown(path, 1, 1), 0);
	refused(path, -EPERM, "another user");
	assert_int_equal(chown(path, 0, 0), 0);
}

static void what_is_no_directory_is_refused(void **state)
{
	char name[128];

	(void)snprintf(name, sizeof(name), "%s/link", base);
	assert_int_equal(symlink(path, name), 0);
	refused(name, -ENOTDIR, "link");
	(void)unlink(name);
	(void)close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	refused(name, -ENOTDIR, "not a directory");
	(void)unlink(name);
	(void)snprintf(name, sizeof(name), "%s/no/such", base);
	refused(name, -ENOENT, "No such");
}

/* ---- files ---- */

static struct stash_head head_of(const char *desc, uint64_t nr_pages)
{
	struct stash_head head;

	stash_head_of(desc, strlen(desc), nr_pages, &head);
	return head;
}

static int claim(const struct stash_head *head)
{
	int fd = -1;

	assert_int_equal(stash_dir_claim(dir_fd, head, &fd), 0);
	return fd;
}

static bool exists(const struct stash_head *head)
{
	char name[STASH_NAME_BYTES];

	stash_name(head, name);
	return !faccessat(dir_fd, name, F_OK, 0);
}

/* A file that takes @bytes and was used @age_s ago. */
static void leave(const char *desc, uint64_t bytes, int age_s)
{
	struct stash_head head = head_of(desc, 10);
	struct timespec times[2] = {{time(NULL) - age_s, 0},
				    {time(NULL) - age_s, 0}};
	int fd = claim(&head);

	assert_int_equal(posix_fallocate(fd, 0, (off_t)bytes), 0);
	assert_int_equal(futimens(fd, times), 0);
	(void)close(fd);
}

static void a_file_has_one_user(void **state)
{
	struct stash_head head = head_of("one", 10);
	int fd = claim(&head), other = -1;
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stash_dir_claim(dir_fd, &head, &other), -EBUSY);
	(void)close(fd);
	(void)close(claim(&head));
}

static void a_link_by_its_name_is_refused(void **state)
{
	struct stash_head head = head_of("one", 10);
	char name[STASH_NAME_BYTES], target[128];
	int fd = -1;

	stash_name(&head, name);
	(void)snprintf(target, sizeof(target), "%s/target", base);
	assert_int_equal(symlinkat(target, dir_fd, name), 0);
	assert_int_equal(stash_dir_claim(dir_fd, &head, &fd), -ELOOP);
	assert_int_not_equal(access(target, F_OK), 0);
	assert_int_equal(unlinkat(dir_fd, name, 0), 0);
	assert_int_equal(mkfifoat(dir_fd, name, 0600), 0);
	assert_int_equal(stash_dir_claim(dir_fd, &head, &fd), -EINVAL);
}

static void the_longest_unused_go_first(void **state)
{
	struct stash_head old = head_of("old", 10),
			  older = head_of("older", 10),
			  oldest = head_of("oldest", 10),
			  own = head_of("own", 10);
	int fd;

	leave("old", 2 * MIB, 10);
	leave("oldest", 2 * MIB, 30);
	leave("older", 2 * MIB, 20);
	fd = claim(&own);
	assert_int_equal(stash_dir_grow(dir_fd, fd, &own, 2 * MIB, 9 * MIB), 0);
	assert_int_equal(own.granted_bytes, 2 * MIB);
	assert_true(exists(&oldest));
	assert_int_equal(stash_dir_grow(dir_fd, fd, &own, 3 * MIB, 8 * MIB), 0);
	assert_int_equal(own.granted_bytes, 3 * MIB);
	assert_false(exists(&oldest));
	assert_true(exists(&older));
	assert_int_equal(stash_dir_grow(dir_fd, fd, &own, 9 * MIB, 8 * MIB), 0);
	assert_int_equal(own.granted_bytes, 8 * MIB);
	assert_false(exists(&older));
	assert_false(exists(&old));
	assert_true(exists(&own));
	(void)close(fd);
}

static void what_is_in_use_keeps_its_grant(void **state)
{
	struct stash_head used = head_of("used", 10), own = head_of("own", 10);
	int used_fd = claim(&used), fd = claim(&own);

	assert_int_equal(
		stash_dir_grow(dir_fd, used_fd, &used, 5 * MIB, 8 * MIB), 0);
	assert_int_equal(stash_dir_grow(dir_fd, fd, &own, 6 * MIB, 8 * MIB), 0);
	assert_int_equal(own.granted_bytes, 3 * MIB);
	assert_true(exists(&used));
	/* Its user gone, it counts for what it takes: next to nothing. */
	(void)close(used_fd);
	assert_int_equal(stash_dir_grow(dir_fd, fd, &own, 6 * MIB, 8 * MIB), 0);
	assert_int_equal(own.granted_bytes, 6 * MIB);
	assert_true(exists(&used));
	(void)close(fd);
}

static void what_nobody_can_use_goes_at_once(void **state)
{
	struct stash_head gone = head_of("gone", 10), own = head_of("own", 10);
	int gone_fd, fd = claim(&own);

	gone.is_transient = true;
	gone_fd = claim(&gone);
	assert_int_equal(stash_dir_grow(dir_fd, fd, &own, MIB, 8 * MIB), 0);
	assert_true(exists(&gone));
	(void)close(gone_fd);
	assert_int_equal(stash_dir_grow(dir_fd, fd, &own, MIB, 8 * MIB), 0);
	assert_false(exists(&gone));
	(void)close(fd);
}

static void what_is_no_stash_is_left_alone(void **state)
{
	struct stash_head own = head_of("own", 10);
	int fd = claim(&own);

	(void)close(openat(dir_fd, "notes.stash", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(stash_dir_grow(dir_fd, fd, &own, MIB, MIB), 0);
	assert_int_equal(own.granted_bytes, MIB);
	assert_int_equal(faccessat(dir_fd, "notes.stash", F_OK, 0), 0);
	(void)close(fd);
}

static void a_directory_that_is_busy_is_waited_for(void **state)
{
	struct stash_head own = head_of("own", 10);
	int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(stash_dir_claim(dir_fd, &own, &fd), -EBUSY);
	(void)close(lock);
	(void)close(claim(&own));
}

static void *drop(void *head)
{
	stash_dir_drop(dir_fd, head);
	return NULL;
}

/* Who opens a file under the lock, to claim it, finds it there until then. */
static void a_file_goes_when_nobody_has_the_directory(void **state)
{
	const struct timespec moment = {0, 100000000};
	int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stash_head own = head_of("own", 10);
	int fd = claim(&own);
	pthread_t thread;
	bool was_there;

	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(pthread_create(&thread, NULL, drop, &own), 0);
	(void)nanosleep(&moment, NULL);
	was_there = exists(&own);
	(void)close(lock);
	(void)pthread_join(thread, NULL);
	assert_true(was_there);
	assert_false(exists(&own));
	(void)close(fd);
}

static void a_busy_directory_keeps_no_file(void **state)
{
	int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stash_head own = head_of("own", 10);
	int fd = claim(&own);

	assert_int_equal(flock(lock, LOCK_EX), 0);
	stash_dir_drop(dir_fd, &own);
	assert_false(exists(&own));
	(void)close(lock);
	(void)close(fd);
}

static int empty_dir(void **state)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s/*", path);
	return system(command);
}

static int set_up(void **state)
{
	char why[STASH_WHY_MAX + 1];

	if (!mkdtemp(base))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/dir", base);
	return stash_dir_open(path, &dir_fd, why);
}

static int tear_down(void **state)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

#define TEST(name) cmocka_unit_test_setup(name, empty_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_directory_is_made),
		TEST(an_open_directory_is_refused),
		TEST(anothers_directory_is_refused),
		TEST(what_is_no_directory_is_refused),
		TEST(a_file_has_one_user),
		TEST(a_link_by_its_name_is_refused),
		TEST(the_longest_unused_go_first),
		TEST(what_is_in_use_keeps_its_grant),
		TEST(what_nobody_can_use_goes_at_once),
		TEST(what_is_no_stash_is_left_alone),
		TEST(a_directory_that_is_busy_is_waited_for),
		TEST(a_file_goes_when_nobody_has_the_directory),
		TEST(a_busy_directory_keeps_no_file),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
