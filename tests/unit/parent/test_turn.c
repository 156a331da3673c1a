/* SPDX-License-Identifier: MIT */
/* test_turn.c - who wants an image of a process of which one is being taken */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "daemon_rig.h"
#include "fake_keeper.h"

/* A second keeper would only find the first one at work. */
static void images_of_one_process_are_taken_in_turn(void **state)
{
	struct wire_image image = {.name = "a"};
	char why[WIRE_WHY_MAX + 1];
	int fds[3] = {rig_dial(), rig_dial(), rig_dial()}, other = rig_dial();
	int starts = fake_keeper_starts();

	for (int i = 0; i < 3; i++)
		rig_send_prepare(fds[i], FAKE_SLOW,
				 (char[]){(char)('a' + i), 0});
	while (rig_get_status(other).images != 3)
		(void)poll(NULL, 0, 5);
	/* Nobody waits for another process's. */
	rig_prepare(other, 4711, "x");
	assert_int_equal(starts + 2, fake_keeper_starts());
	/* Who goes away in the line is not begun. */
	image.name[0] = 'b';
	assert_int_equal(0, rig_ask_image(other, WIRE_RELEASE, &image, NULL));
	assert_int_equal(-ECANCELED, rig_get_image(fds[1], &image, why));
	fake_keeper_answer(FAKE_SLOW);
	assert_int_equal(0, rig_get_image(fds[0], &image, why));
	while (fake_keeper_starts() != starts + 3)
		(void)poll(NULL, 0, 5);
	/* The last one's maker waits while the image before it dies. */
	assert_int_equal(0, rig_ask_image(other, WIRE_RELEASE, &image, NULL));
	rig_wait_for_keepers(2);
	fake_keeper_answer(FAKE_SLOW);
	assert_int_equal(0, rig_get_image(fds[2], &image, why));
	assert_string_equal("c", image.name);
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
	(void)close(other);
}

/* It is in the process until it has answered, though nobody wants it. */
static void turn_ends_with_the_keeper_not_with_the_image(void **state)
{
	struct wire_image image = {.name = "a"};
	int fd = rig_dial(), next = rig_dial(), other = rig_dial();
	int starts = fake_keeper_starts();
	char why[WIRE_WHY_MAX + 1];

	rig_send_prepare(fd, FAKE_SLOW, "a");
	rig_send_prepare(next, FAKE_SLOW, "b");
	while (rig_get_status(other).images != 2)
		(void)poll(NULL, 0, 5);
	assert_int_equal(0, rig_ask_image(other, WIRE_RELEASE, &image, NULL));
	assert_int_equal(-ECANCELED, rig_get_image(fd, &image, why));
	assert_int_equal(starts + 1, fake_keeper_starts());
	fake_keeper_answer(FAKE_SLOW);
	while (fake_keeper_starts() != starts + 2)
		(void)poll(NULL, 0, 5);
	rig_wait_for_keepers(1);
	fake_keeper_answer(FAKE_SLOW);
	assert_int_equal(0, rig_get_image(next, &image, why));
	(void)close(fd);
	(void)close(next);
	(void)close(other);
}

/* The process is not stopped for who has left the line. */
static void who_left_is_not_begun(void **state)
{
	int fd = rig_dial(), gone[8], other = rig_dial();
	int starts = fake_keeper_starts();
	struct wire_image image;
	char why[WIRE_WHY_MAX + 1];

	rig_send_prepare(fd, FAKE_SLOW, "a");
	while (fake_keeper_starts() != starts + 1)
		(void)poll(NULL, 0, 5);
	for (int i = 0; i < 8; i++) {
		gone[i] = rig_dial();
		rig_send_prepare(gone[i], FAKE_SLOW, "");
	}
	while (rig_get_status(other).images != 9)
		(void)poll(NULL, 0, 5);
	for (int i = 0; i < 8; i++)
		(void)close(gone[i]);
	while (rig_get_status(other).clients != 2)
		(void)poll(NULL, 0, 5);
	fake_keeper_answer(FAKE_SLOW);
	assert_int_equal(0, rig_get_image(fd, &image, why));
	assert_int_equal(1, rig_get_status(other).images);
	assert_int_equal(8, rig_get_status(other).refused);
	assert_int_equal(starts + 1, fake_keeper_starts());
	(void)close(fd);
	(void)close(other);
}

/* Its image is no use to anybody, but nothing has died. */
static void who_left_in_the_pause_is_no_death(void **state)
{
	int fd = rig_dial(), other = rig_dial();
	struct report_status status;

	rig_send_prepare(fd, FAKE_SLOW, "a");
	rig_wait_for_keepers(1);
	(void)close(fd);
	while (rig_get_status(other).clients != 1)
		(void)poll(NULL, 0, 5);
	fake_keeper_answer(FAKE_SLOW);
	rig_wait_for_keepers(0);
	status = rig_get_status(other);
	assert_int_equal(0, status.images);
	assert_int_equal(1, status.ended);
	assert_int_equal(0, status.died);
	(void)close(other);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, rig_start, rig_stop)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(images_of_one_process_are_taken_in_turn),
		CASE(turn_ends_with_the_keeper_not_with_the_image),
		CASE(who_left_is_not_begun),
		CASE(who_left_in_the_pause_is_no_death),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
