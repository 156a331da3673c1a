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

#include "common/page.h"
#include "common/source.h"
#include "tests/unit/fs/mounted.h"

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

	assert_true(comes_ready(fd));
	assert_true(comes_line("\neager: complete\n"));
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

	assert_true(comes_ready(fd));
	assert_true(comes_line("\neager: failed\n"));
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
