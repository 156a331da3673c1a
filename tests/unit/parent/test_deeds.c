/* SPDX-License-Identifier: MIT */
/*
 * test_deeds.c - what was registered is known, and final, whoever died when
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/page.h"
#include "parent/deeds.h"

#define NR 200u

static struct image_run ranges[NR];
static struct lend_deed deeds[NR];

static int new_deeds(void)
{
	int fd;

	for (uint32_t i = 0; i < NR; i++)
		ranges[i] = (struct image_run){.first_page = 3 * i + 1,
					       .nr_pages = 2};
	assert_int_equal(deeds_new(ranges, NR, &fd), 0);
	return fd;
}

static struct deeds_entry *map_deeds(int fd)
{
	void *at = mmap(NULL, NR * sizeof(struct deeds_entry),
			PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static void ranges_lie_as_they_are(void **state)
{
	int fd = new_deeds();
	const struct deeds_entry *entries = map_deeds(fd);

	for (uint32_t i = 0; i < NR; i++) {
		assert_int_equal(entries[i].raddr, (3 * i + 1) << PAGE_SHIFT);
		assert_int_equal(entries[i].len_bytes, 2 << PAGE_SHIFT);
	}
	assert_true(ftruncate(fd, PAGE_BYTES) < 0);
	(void)munmap((void *)entries, NR * sizeof(*entries));
	assert_int_equal(deeds_end(fd, NR, deeds), 0);
	for (uint32_t i = 0; i < NR; i++)
		assert_int_equal(deeds[i].error, -ECANCELED);
	(void)close(fd);
}

/* It is killed when the kernel has answered, and has not said so itself. */
static void work(int fd, int ready_fd)
{
	struct deeds_entry *entries = map_deeds(fd);

	for (uint32_t i = 0; i < 70; i++) {
		entries[i].error = i % 2 ? 0 : -EINVAL;
		if (i % 2)
			entries[i].mr_handle = i - 1;
		entries[i].rkey = 5 * i;
	}
	entries[70].mr_handle = 0;
	(void)!write(ready_fd, "x", 1);
	for (;;)
		(void)pause();
}

static pid_t start_work(int fd)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		work(fd, ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static void what_a_dead_one_had_is_known(void **state)
{
	int fd = new_deeds();
	pid_t pid = start_work(fd);

	/* Nobody waits for it: it dies while deeds_end() looks. */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(deeds_end(fd, NR, deeds), 0);
	for (uint32_t i = 0; i < 70; i++) {
		assert_int_equal(deeds[i].error, i % 2 ? 0 : -EINVAL);
		if (i % 2) {
			assert_int_equal(deeds[i].mr_handle, i - 1);
			assert_int_equal(deeds[i].rkey, 5 * i);
		}
	}
	assert_int_equal(deeds[70].error, 0);
	for (uint32_t i = 71; i < NR; i++)
		assert_int_equal(deeds[i].error, -ECANCELED);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* It is final: one that comes too late cannot add to it. */
	assert_ptr_equal(mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, 0),
			 MAP_FAILED);
	(void)close(fd);
}

static void one_that_lives_is_told(void **state)
{
	int fd = new_deeds();
	pid_t pid = start_work(fd);

	assert_int_equal(deeds_end(fd, NR, deeds), -EBUSY);
	assert_int_equal(deeds[1].error, 0);
	assert_int_equal(deeds[NR - 1].error, -ECANCELED);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_lie_as_they_are),
		cmocka_unit_test(what_a_dead_one_had_is_known),
		cmocka_unit_test(one_that_lives_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
