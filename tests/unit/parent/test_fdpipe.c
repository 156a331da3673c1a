/* SPDX-License-Identifier: MIT */
/*
 * test_fdpipe.c - what waits in a pipe is read, with its bounds, and stays
 * there
 */
#include "tests/unit/parent/cmocka_env.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/packets.h"
#include "parent/fdpipe.h"

static int ends[2];

static void write_to(const char *bytes)
{
	const ssize_t len = (ssize_t)strlen(bytes);

	assert_int_equal(write(ends[1], bytes, (size_t)len), len);
}

/* What an image has of it: @want as a pipe of type @type. */
static void holds(bool packets, int type, const void *want, size_t bytes)
{
	struct fdpipe pipe = {.reader = -1};
	struct image_fd fd = {0};

	assert_int_equal(fdpipe_tee(ends[0], &pipe), 0);
	assert_int_equal(fdpipe_read(&pipe, packets, &fd), 0);
	fdpipe_close(&pipe);
	assert_int_equal(fd.type, type);
	assert_int_equal(fd.data_bytes, bytes);
	assert_memory_equal(fd.data, want, bytes);
	free(fd.data);
}

static void closed(void)
{
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void bytes_have_no_bounds(void **state)
{
	char seen[16];

	assert_int_equal(pipe2(ends, 0), 0);
	write_to("one");
	holds(false, 0, "one", 3);
	/* Somebody set O_DIRECT only now: more than one byte shows it. */
	holds(true, 0, "one", 3);
	write_to("three");
	holds(false, 0, "onethree", 8);
	assert_int_equal(read(ends[0], seen, sizeof(seen)), 8);
	closed();
}

static void messages_keep_their_bounds(void **state)
{
	char seen[16];

	assert_int_equal(pipe2(ends, O_DIRECT), 0);
	write_to("one");
	holds(false, IMAGE_FD_PACKETS, "\3\0one", 5);
	write_to("2");
	write_to("three");
	holds(true, IMAGE_FD_PACKETS, "\3\0one\1\0002\5\0three", 15);
	assert_int_equal(read(ends[0], seen, sizeof(seen)), 3);
	assert_int_equal(read(ends[0], seen, sizeof(seen)), 1);
	closed();
}

/* Whoever wrote them, and whatever the first one's length. */
static void short_messages_keep_their_bounds(void **state)
{
	assert_int_equal(pipe2(ends, O_DIRECT), 0);
	write_to("x");
	write_to("y");
	holds(false, IMAGE_FD_PACKETS, "\1\0x\1\0y", 6);
	write_to("three");
	holds(false, IMAGE_FD_PACKETS, "\1\0x\1\0y\5\0three", 13);
	closed();
	assert_int_equal(pipe2(ends, O_DIRECT), 0);
	write_to("xy");
	write_to("z");
	holds(false, IMAGE_FD_PACKETS, "\2\0xy\1\0z", 7);
	closed();
	/* As many bytes in as many slots, but a reader gets all at once. */
	assert_int_equal(pipe2(ends, 0), 0);
	write_to("x");
	write_to("y");
	holds(true, 0, "xy", 2);
	closed();
}

/* Of one byte nothing shows, and its writer has to tell. */
static void one_byte_is_what_its_writer_says(void **state)
{
	assert_int_equal(pipe2(ends, O_DIRECT), 0);
	write_to("x");
	holds(true, IMAGE_FD_PACKETS, "\1\0x", 3);
	holds(false, 0, "x", 1);
	closed();
}

static void as_many_messages_as_fit_are_read(void **state)
{
	static char bytes[PIPE_BUF];
	struct fdpipe pipe = {.reader = -1};
	struct image_fd fd = {0};

	assert_int_equal(pipe2(ends, O_DIRECT | O_NONBLOCK), 0);
	while (write(ends[1], bytes, sizeof(bytes)) > 0)
		;
	assert_int_equal(fdpipe_tee(ends[0], &pipe), 0);
	assert_int_equal(fdpipe_read(&pipe, true, &fd), 0);
	fdpipe_close(&pipe);
	assert_int_equal(fd.data_bytes % (sizeof(bytes) + 2), 0);
	assert_true(fd.data_bytes > sizeof(bytes));
	assert_true(packets_ok(fd.data, fd.data_bytes));
	free(fd.data);
	closed();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_no_bounds),
		cmocka_unit_test(messages_keep_their_bounds),
		cmocka_unit_test(short_messages_keep_their_bounds),
		cmocka_unit_test(one_byte_is_what_its_writer_says),
		cmocka_unit_test(as_many_messages_as_fit_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
