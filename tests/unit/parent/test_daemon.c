/* SPDX-License-Identifier: MIT */
/* test_daemon.c - requests to answers, with a fake keeper behind the images */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/report.h"
#include "daemon_rig.h"
#include "fake_keeper.h"
#include "raw_client.h"

static int read_page(int fd, uint32_t handle, pid_t pid, uint64_t raddr)
{
	const struct wire_read read = {
		.handle = handle, .raddr = raddr, .len_bytes = 4096};
	struct wire_header header;
	uint8_t *body;

	raw_read(fd, 7, WIRE_URGENT, read);
	header = raw_get(fd, &body);
	for (uint64_t at = 0; !header.status && at < 4096; at += 8) {
		uint64_t word = fake_keeper_word(pid, raddr + at);

		assert_memory_equal(&word, body + at, 8);
	}
	free(body);
	return header.status;
}

static size_t list(int fd, struct report_image **ret_images)
{
	struct wire_header header = {.type = WIRE_LIST, .id = 9};
	uint8_t *body;
	size_t nr;

	raw_ask(fd, header, NULL);
	header = raw_get(fd, &body);
	assert_int_equal(
		0, report_get_images(body, header.body_bytes, ret_images, &nr));
	free(body);
	return nr;
}

static void image_is_prepared_opened_read_and_released(void **state)
{
	int fd = rig_dial();
	struct wire_image image = rig_prepare(fd, 4711, "");
	uint32_t handle;

	assert_string_equal("img-4711-1", image.name);
	assert_int_equal(getuid(), fake_keeper_last().uid);
	assert_int_equal(0, rig_ask_image(fd, WIRE_OPEN, &image, &handle));
	assert_int_equal(0, read_page(fd, handle, 4711, 0x7000));
	assert_int_equal(0, rig_ask_image(fd, WIRE_RENEW, &image, NULL));
	assert_int_equal(0, rig_ask_image(fd, WIRE_RELEASE, &image, NULL));
	rig_wait_for_keepers(0);
	assert_int_equal(-ESTALE, read_page(fd, handle, 4711, 0x7000));
	assert_int_equal(-ENOENT,
			 rig_ask_image(fd, WIRE_OPEN, &image, &handle));
	(void)close(fd);
}

static void handle_means_nothing_on_another_connection(void **state)
{
	int fd = rig_dial(), other = rig_dial();
	struct wire_image image = rig_prepare(fd, 4711, "a");
	uint32_t handle;

	assert_int_equal(0, rig_ask_image(fd, WIRE_OPEN, &image, &handle));
	assert_int_equal(-EBADF, read_page(other, handle, 4711, 0x7000));
	(void)close(fd);
	(void)close(other);
}

static void refusals_come_with_words(void **state)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image;
	int fd = rig_dial();

	rig_send_prepare(fd, FAKE_REFUSED, "");
	assert_int_equal(-EPERM, rig_get_image(fd, &image, why));
	assert_string_equal("pid 1 is already traced", why);
	rig_send_prepare(fd, FAKE_NO_FORK, "");
	assert_int_equal(-EAGAIN, rig_get_image(fd, &image, why));
	assert_non_null(strstr(why, "cannot start a process"));
	rig_prepare(fd, 4711, "a");
	rig_send_prepare(fd, 4711, "a");
	assert_int_equal(-EEXIST, rig_get_image(fd, &image, why));
	assert_int_equal(3, rig_get_status(fd).refused);
	rig_wait_for_keepers(1);
	(void)close(fd);
}

static void busy_process_is_asked_again(void **state)
{
	int fd = rig_dial(), starts = fake_keeper_starts();

	rig_prepare(fd, FAKE_BUSY_ONCE, "a");
	assert_int_equal(starts + 2, fake_keeper_starts());
	rig_wait_for_keepers(1);
	(void)close(fd);
}

/* The daemon of this test has made one when it began. */
static void an_image_has_a_keeper_that_waited(void **state)
{
	int fd = rig_dial(), before, asked, spares;

	do {
		spares = fake_keeper_spares(&before);
		(void)poll(NULL, 0, 300); /* and what is on its way */
	} while (fake_keeper_spares(&asked) != spares || asked != before);
	rig_prepare(fd, 4711, "a");
	(void)fake_keeper_spares(&asked);
	assert_int_equal(before + 1, asked);
	/* At once again: no spare is there, and none is waited for. */
	rig_prepare(fd, 4712, "b");
	assert_int_equal(spares, fake_keeper_spares(&asked));
	assert_int_equal(before + 1, asked);
	while (fake_keeper_spares(&asked) == spares)
		(void)poll(NULL, 0, 5);
	rig_prepare(fd, 4713, "c");
	assert_int_equal(spares + 1, fake_keeper_spares(&asked));
	assert_int_equal(before + 2, asked);
	(void)close(fd);
}

static void busy_process_is_given_up_in_the_end(void **state)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image;
	int fd = rig_dial(), starts = fake_keeper_starts();

	rig_send_prepare(fd, FAKE_BUSY, "a");
	assert_int_equal(-EBUSY, rig_get_image(fd, &image, why));
	assert_string_equal("did not stop in time", why);
	assert_int_equal(starts + 3, fake_keeper_starts());
	rig_wait_for_keepers(0);
	(void)close(fd);
}

/* Released while it waits for its next try: no keeper is there. */
static void release_between_two_tries_ends_it(void **state)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image = {.name = "a"};
	int fd = rig_dial(), other = rig_dial(), starts = fake_keeper_starts();

	rig_send_prepare(fd, FAKE_BUSY, "a");
	while (fake_keeper_starts() == starts || fake_keeper_count())
		(void)poll(NULL, 0, 5);
	assert_int_equal(0, rig_ask_image(other, WIRE_RELEASE, &image, NULL));
	assert_int_equal(-ECANCELED, rig_get_image(fd, &image, why));
	(void)close(fd);
	(void)close(other);
}

static void wrong_key_does_not_open(void **state)
{
	int fd = rig_dial();
	struct wire_image image = rig_prepare(fd, 4711, "a");
	uint32_t handle;

	image.key[7] ^= 1;
	assert_int_not_equal(0, rig_ask_image(fd, WIRE_OPEN, &image, &handle));
	memset(image.key, 0, sizeof(image.key)); /* by identity */
	assert_int_equal(0, rig_ask_image(fd, WIRE_OPEN, &image, &handle));
	(void)close(fd);
}

static void tcp_client_is_known_by_its_socket(void **state)
{
	int fd = raw_join(raw_dial_tcp(rig_port));
	struct wire_image image = rig_prepare(fd, 4711, "a");

	assert_int_equal(getuid(), fake_keeper_last().uid);
	assert_int_equal(0, rig_ask_image(fd, WIRE_RELEASE, &image, NULL));
	(void)close(fd);
}

static void list_tells_everything_but_the_key(void **state)
{
	int fd = rig_dial();
	struct wire_image image = rig_prepare(fd, 4711, "a");
	struct report_image *images = NULL;

	assert_int_equal(1, list(fd, &images));
	assert_string_equal("a", images[0].name);
	assert_string_equal("fake", images[0].comm);
	assert_int_equal(1, images[0].ready);
	assert_int_equal(4711, images[0].pid);
	assert_int_equal(5200000, images[0].pause_ns);
	assert_true(images[0].left_s <= images[0].lease_s);
	for (size_t at = 0; at + WIRE_KEY_BYTES <= sizeof(*images); at++)
		assert_memory_not_equal(image.key, (uint8_t *)images + at,
					WIRE_KEY_BYTES);
	free(images);
	(void)close(fd);
}

static void dead_twin_ends_its_image_only(void **state)
{
	int fd = rig_dial();
	struct wire_image one = rig_prepare(fd, 4711, "one");
	struct wire_image two = rig_prepare(fd, 4712, "two");
	uint32_t handle_one, handle_two;

	assert_int_equal(0, rig_ask_image(fd, WIRE_OPEN, &one, &handle_one));
	assert_int_equal(0, rig_ask_image(fd, WIRE_OPEN, &two, &handle_two));
	fake_keeper_kill(4711);
	rig_wait_for_keepers(1);
	assert_int_equal(-ESTALE, read_page(fd, handle_one, 4711, 0x1000));
	assert_int_equal(0, read_page(fd, handle_two, 4712, 0x1000));
	(void)close(fd);
}

static void lease_ends_without_anybody_asking(void **state)
{
	struct wire_header header = {.type = WIRE_PREPARE, .id = 5};
	const struct wire_prepare wanted = {.pid = 4711, .lease_s = 1};
	uint8_t body[WIRE_REQUEST_MAX];
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image;
	int fd = rig_dial();

	header.body_bytes = (uint32_t)wire_put_prepare(body, &wanted);
	raw_ask(fd, header, body);
	assert_int_equal(0, rig_get_image(fd, &image, why));
	(void)close(fd);
	rig_wait_for_keepers(0);
}

static int shorter_prepare(void **state)
{
	rig_options = daemon_defaults;
	rig_options.registry.prepare_max_s = 1;
	return rig_start(state);
}

static void prepare_that_hangs_is_ended(void **state)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image;
	int fd = rig_dial();

	rig_send_prepare(fd, FAKE_SLOW, "slow");
	assert_int_equal(-ETIMEDOUT, rig_get_image(fd, &image, why));
	rig_wait_for_keepers(0);
	(void)close(fd);
}

/* What @fd asks for never comes, and @other releases it meanwhile. */
static void release_under_way(int fd, int other)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image = {.name = "slow"};

	rig_send_prepare(fd, FAKE_SLOW, "slow");
	while (!fake_keeper_count())
		(void)poll(NULL, 0, 5);
	assert_int_equal(0, rig_ask_image(other, WIRE_RELEASE, &image, NULL));
	assert_int_equal(-ECANCELED, rig_get_image(fd, &image, why));
}

static void release_of_a_prepare_under_way_ends_both(void **state)
{
	int killed = fake_keeper_killed_owing(), off = fake_keeper_called_off();
	int fd = rig_dial(), other = rig_dial();

	release_under_way(fd, other);
	/* It may be in its pause: it has a moment, and others do not wait. */
	assert_int_equal(0, rig_get_status(other).images);
	assert_int_equal(off + 1, fake_keeper_called_off());
	assert_int_equal(1, fake_keeper_count());
	assert_int_equal(killed, fake_keeper_killed_owing());
	fake_keeper_answer(FAKE_SLOW);
	rig_wait_for_keepers(0);
	(void)close(fd);
	(void)close(other);
}

/* Silent for longer than that: it is killed. */
static void a_keeper_that_never_answers_ends_all_the_same(void **state)
{
	int killed = fake_keeper_killed_owing();
	int fd = rig_dial(), other = rig_dial();

	release_under_way(fd, other);
	assert_int_equal(1, fake_keeper_count());
	rig_wait_for_keepers(0);
	assert_int_equal(killed + 1, fake_keeper_killed_owing());
	(void)close(fd);
	(void)close(other);
}

/* Nobody knows its key: it would hold memory until its lease ends. */
static void image_whose_client_left_is_ended(void **state)
{
	int fd = rig_dial(), other;

	rig_send_prepare(fd, 4711, "orphan");
	(void)close(fd);
	other = rig_dial();
	while (rig_get_status(other).prepared != 1)
		(void)poll(NULL, 0, 5);
	/* It was told, or it is gone; what was told stays until its lease. */
	assert_true(fake_keeper_count() <= 1);
	(void)close(other);
}

static void broken_bodies_are_refused(void **state)
{
	static const uint8_t junk[40] = {0xff};
	struct wire_header header = {.id = 1, .body_bytes = sizeof(junk)};
	uint8_t *body;
	int fd = rig_dial();

	for (int type = WIRE_PREPARE; type <= WIRE_RENEW; type++) {
		if (type == WIRE_READ || type == WIRE_LIST ||
		    type == WIRE_STATUS)
			continue;
		header.type = (uint16_t)type;
		raw_ask(fd, header, junk);
		assert_int_equal(-EPROTO, raw_get(fd, &body).status);
		free(body);
	}
	(void)close(fd);
}

static void connection_has_a_limit_of_handles(void **state)
{
	int fd = rig_dial();
	struct wire_image image = rig_prepare(fd, 4711, "a");
	uint32_t handle;
	int error = 0, nr = 0;

	while (!error && nr < 1000) {
		error = rig_ask_image(fd, WIRE_OPEN, &image, &handle);
		nr += !error;
	}
	assert_int_equal(-EMFILE, error);
	assert_int_equal(64, nr);
	assert_int_equal(0, read_page(fd, handle, 4711, 0x1000));
	(void)close(fd);
}

struct reader {
	pthread_t thread;
	const struct wire_image *images;
	unsigned seed;
};

static void *read_much(void *arg)
{
	const struct reader *reader = arg;
	uint32_t handles[2];
	int fd = reader->seed % 2 ? raw_join(raw_dial_tcp(rig_port))
				  : rig_dial();

	for (int i = 0; i < 2; i++)
		assert_int_equal(0, rig_ask_image(fd, WIRE_OPEN,
						  &reader->images[i],
						  &handles[i]));
	for (unsigned i = 0; i < 300; i++) {
		unsigned which = (i + reader->seed) % 2;

		assert_int_equal(
			0, read_page(fd, handles[which], 4711 + (pid_t)which,
				     (i * 7919ull + reader->seed) << 12));
	}
	(void)close(fd);
	return NULL;
}

static void eight_clients_of_two_images_get_their_own_bytes(void **state)
{
	int fd = rig_dial();
	const struct wire_image images[2] = {rig_prepare(fd, 4711, "one"),
					     rig_prepare(fd, 4712, "two")};
	struct reader readers[8];

	for (unsigned i = 0; i < 8; i++) {
		readers[i] = (struct reader){.images = images, .seed = i};
		assert_int_equal(0, pthread_create(&readers[i].thread, NULL,
						   read_much, &readers[i]));
	}
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(0, pthread_join(readers[i].thread, NULL));
	assert_int_equal(8 * 300, rig_get_status(fd).reads);
	(void)close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_start, rig_stop)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(image_is_prepared_opened_read_and_released),
		CASE(handle_means_nothing_on_another_connection),
		CASE(refusals_come_with_words),
		CASE(busy_process_is_asked_again),
		CASE(an_image_has_a_keeper_that_waited),
		CASE(busy_process_is_given_up_in_the_end),
		CASE(release_between_two_tries_ends_it),
		CASE(wrong_key_does_not_open),
		CASE(tcp_client_is_known_by_its_socket),
		CASE(list_tells_everything_but_the_key),
		CASE(dead_twin_ends_its_image_only),
		CASE(lease_ends_without_anybody_asking),
		cmocka_unit_test_setup_teardown(prepare_that_hangs_is_ended,
						shorter_prepare, rig_stop),
		CASE(release_of_a_prepare_under_way_ends_both),
		CASE(a_keeper_that_never_answers_ends_all_the_same),
		CASE(image_whose_client_left_is_ended),
		CASE(broken_bodies_are_refused),
		CASE(connection_has_a_limit_of_handles),
		CASE(eight_clients_of_two_images_get_their_own_bytes),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
