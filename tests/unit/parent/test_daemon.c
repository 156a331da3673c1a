/* SPDX-License-Identifier: MIT */
/* test_daemon.c - requests to answers, with a fake keeper behind the images */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/report.h"
#include "fake_keeper.h"
#include "parent/daemon.h"
#include "parent/listen.h"
#include "raw_client.h"

static struct daemon_options options;
static pthread_t thread;
static int stop_fd, ready_fd;
static char dir[32], path[64];
static uint16_t port;

static void listen_on(struct daemon *daemon)
{
	struct listen_address address;
	struct sockaddr_in *in = (void *)&address.addr;
	socklen_t len = sizeof(*in);
	int fd;

	assert_int_equal(0, listen_parse("127.0.0.1:0", 0, &address, NULL));
	assert_int_equal(0, listen_inet(&address, &fd, NULL));
	assert_int_equal(0, getsockname(fd, (void *)in, &len));
	port = ntohs(in->sin_port);
	assert_int_equal(0, daemon_listen(daemon, fd));
	assert_int_equal(0, listen_unix(path, &fd, NULL));
	assert_int_equal(0, daemon_listen(daemon, fd));
}

static void *run(void *arg)
{
	struct daemon *daemon = NULL;
	uint64_t one = 1;

	assert_int_equal(0, daemon_open(&options, &daemon));
	listen_on(daemon);
	assert_int_equal(8, write(ready_fd, &one, 8));
	assert_int_equal(0, daemon_run(daemon, stop_fd));
	daemon_close(daemon);
	return NULL;
}

static int start(void **state)
{
	uint64_t one;

	strcpy(dir, "/tmp/test_daemon.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	if (!options.registry.images_max)
		options = daemon_defaults;
	stop_fd = eventfd(0, EFD_CLOEXEC);
	ready_fd = eventfd(0, EFD_CLOEXEC);
	if (pthread_create(&thread, NULL, run, NULL))
		return -1;
	return read(ready_fd, &one, 8) == 8 ? 0 : -1;
}

static int stop(void **state)
{
	uint64_t one = 1;

	if (write(stop_fd, &one, 8) != 8 || pthread_join(thread, NULL))
		return -1;
	(void)close(stop_fd);
	(void)close(ready_fd);
	(void)unlink(path);
	options = (struct daemon_options){0};
	/* Whatever a test left: no twin outlives the daemon. */
	return fake_keeper_count() || rmdir(dir) ? -1 : 0;
}

static int dial(void)
{
	return raw_join(raw_dial_unix(path));
}

static void send_prepare(int fd, pid_t pid, const char *name)
{
	struct wire_header header = {.type = WIRE_PREPARE, .id = 5};
	struct wire_prepare wanted = {.pid = pid};
	uint8_t body[WIRE_REQUEST_MAX];

	strcpy(wanted.name, name);
	header.body_bytes = (uint32_t)wire_put_prepare(body, &wanted);
	raw_ask(fd, header, body);
}

/* The status of the answer; its words, when it is a refusal, in @why. */
static int get_image(int fd, struct wire_image *ret_image, char *why)
{
	struct wire_header header;
	uint8_t *body;

	header = raw_get(fd, &body);
	if (!header.status)
		assert_int_equal(
			0, wire_get_image(body, header.body_bytes, ret_image));
	else
		(void)snprintf(why, WIRE_WHY_MAX + 1, "%s", (char *)body);
	free(body);
	return header.status;
}

static struct wire_image prepare(int fd, pid_t pid, const char *name)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image;

	send_prepare(fd, pid, name);
	assert_int_equal(0, get_image(fd, &image, why));
	return image;
}

/* OPEN, RELEASE or RENEW; returns the status, and OPEN's handle. */
static int ask_image(int fd, enum wire_type type,
		     const struct wire_image *image, uint32_t *ret_handle)
{
	struct wire_header header = {.type = (uint16_t)type, .id = 6};
	uint8_t out[WIRE_REQUEST_MAX], *body;
	struct wire_opened opened;

	header.body_bytes = (uint32_t)wire_put_image(out, image);
	raw_ask(fd, header, out);
	header = raw_get(fd, &body);
	if (!header.status && type == WIRE_OPEN) {
		assert_int_equal(8 + 10, header.body_bytes);
		assert_memory_equal("descriptor", body + 8, 10);
		assert_int_equal(0, wire_get_opened(body, 8, &opened));
		*ret_handle = opened.handle;
	}
	free(body);
	return header.status;
}

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

static struct report_status get_status(int fd)
{
	struct wire_header header = {.type = WIRE_STATUS, .id = 8};
	struct report_status status;
	uint8_t *body;

	raw_ask(fd, header, NULL);
	header = raw_get(fd, &body);
	assert_int_equal(0,
			 report_get_status(body, header.body_bytes, &status));
	free(body);
	return status;
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

static void wait_for_keepers(int nr)
{
	while (fake_keeper_count() != nr)
		(void)poll(NULL, 0, 5);
}

static void image_is_prepared_opened_read_and_released(void **state)
{
	int fd = dial();
	struct wire_image image = prepare(fd, 4711, "");
	uint32_t handle;

	assert_string_equal("img-4711-1", image.name);
	assert_int_equal(getuid(), fake_keeper_last().uid);
	assert_int_equal(0, ask_image(fd, WIRE_OPEN, &image, &handle));
	assert_int_equal(0, read_page(fd, handle, 4711, 0x7000));
	assert_int_equal(0, ask_image(fd, WIRE_RENEW, &image, NULL));
	assert_int_equal(0, ask_image(fd, WIRE_RELEASE, &image, NULL));
	wait_for_keepers(0);
	assert_int_equal(-ESTALE, read_page(fd, handle, 4711, 0x7000));
	assert_int_equal(-ENOENT, ask_image(fd, WIRE_OPEN, &image, &handle));
	(void)close(fd);
}

static void handle_means_nothing_on_another_connection(void **state)
{
	int fd = dial(), other = dial();
	struct wire_image image = prepare(fd, 4711, "a");
	uint32_t handle;

	assert_int_equal(0, ask_image(fd, WIRE_OPEN, &image, &handle));
	assert_int_equal(-EBADF, read_page(other, handle, 4711, 0x7000));
	(void)close(fd);
	(void)close(other);
}

static void refusals_come_with_words(void **state)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image;
	int fd = dial();

	send_prepare(fd, FAKE_REFUSED, "");
	assert_int_equal(-EPERM, get_image(fd, &image, why));
	assert_string_equal("pid 1 is already traced", why);
	send_prepare(fd, FAKE_NO_FORK, "");
	assert_int_equal(-EAGAIN, get_image(fd, &image, why));
	assert_non_null(strstr(why, "cannot start a process"));
	prepare(fd, 4711, "a");
	send_prepare(fd, 4711, "a");
	assert_int_equal(-EEXIST, get_image(fd, &image, why));
	assert_int_equal(3, get_status(fd).refused);
	wait_for_keepers(1);
	(void)close(fd);
}

static void busy_process_is_asked_again(void **state)
{
	int fd = dial(), starts = fake_keeper_starts();

	prepare(fd, FAKE_BUSY_ONCE, "a");
	assert_int_equal(starts + 2, fake_keeper_starts());
	wait_for_keepers(1);
	(void)close(fd);
}

/* The daemon of this test has made one when it began. */
static void an_image_has_a_keeper_that_waited(void **state)
{
	int fd = dial(), before, asked, spares;

	do {
		spares = fake_keeper_spares(&before);
		(void)poll(NULL, 0, 300); /* and what is on its way */
	} while (fake_keeper_spares(&asked) != spares || asked != before);
	prepare(fd, 4711, "a");
	(void)fake_keeper_spares(&asked);
	assert_int_equal(before + 1, asked);
	/* At once again: no spare is there, and none is waited for. */
	prepare(fd, 4712, "b");
	assert_int_equal(spares, fake_keeper_spares(&asked));
	assert_int_equal(before + 1, asked);
	while (fake_keeper_spares(&asked) == spares)
		(void)poll(NULL, 0, 5);
	prepare(fd, 4713, "c");
	assert_int_equal(spares + 1, fake_keeper_spares(&asked));
	assert_int_equal(before + 2, asked);
	(void)close(fd);
}

static void busy_process_is_given_up_in_the_end(void **state)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image;
	int fd = dial(), starts = fake_keeper_starts();

	send_prepare(fd, FAKE_BUSY, "a");
	assert_int_equal(-EBUSY, get_image(fd, &image, why));
	assert_string_equal("did not stop in time", why);
	assert_int_equal(starts + 3, fake_keeper_starts());
	wait_for_keepers(0);
	(void)close(fd);
}

/* Released while it waits for its next try: no keeper is there. */
static void release_between_two_tries_ends_it(void **state)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image = {.name = "a"};
	int fd = dial(), other = dial(), starts = fake_keeper_starts();

	send_prepare(fd, FAKE_BUSY, "a");
	while (fake_keeper_starts() == starts || fake_keeper_count())
		(void)poll(NULL, 0, 5);
	assert_int_equal(0, ask_image(other, WIRE_RELEASE, &image, NULL));
	assert_int_equal(-ECANCELED, get_image(fd, &image, why));
	(void)close(fd);
	(void)close(other);
}

static void wrong_key_does_not_open(void **state)
{
	int fd = dial();
	struct wire_image image = prepare(fd, 4711, "a");
	uint32_t handle;

	image.key[7] ^= 1;
	assert_int_not_equal(0, ask_image(fd, WIRE_OPEN, &image, &handle));
	memset(image.key, 0, sizeof(image.key)); /* by identity */
	assert_int_equal(0, ask_image(fd, WIRE_OPEN, &image, &handle));
	(void)close(fd);
}

static void tcp_client_is_known_by_its_socket(void **state)
{
	int fd = raw_join(raw_dial_tcp(port));
	struct wire_image image = prepare(fd, 4711, "a");

	assert_int_equal(getuid(), fake_keeper_last().uid);
	assert_int_equal(0, ask_image(fd, WIRE_RELEASE, &image, NULL));
	(void)close(fd);
}

static void list_tells_everything_but_the_key(void **state)
{
	int fd = dial();
	struct wire_image image = prepare(fd, 4711, "a");
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
	int fd = dial();
	struct wire_image one = prepare(fd, 4711, "one");
	struct wire_image two = prepare(fd, 4712, "two");
	uint32_t handle_one, handle_two;

	assert_int_equal(0, ask_image(fd, WIRE_OPEN, &one, &handle_one));
	assert_int_equal(0, ask_image(fd, WIRE_OPEN, &two, &handle_two));
	fake_keeper_kill(4711);
	wait_for_keepers(1);
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
	int fd = dial();

	header.body_bytes = (uint32_t)wire_put_prepare(body, &wanted);
	raw_ask(fd, header, body);
	assert_int_equal(0, get_image(fd, &image, why));
	(void)close(fd);
	wait_for_keepers(0);
}

static int shorter_prepare(void **state)
{
	options = daemon_defaults;
	options.registry.prepare_max_s = 1;
	return start(state);
}

static void prepare_that_hangs_is_ended(void **state)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image;
	int fd = dial();

	send_prepare(fd, FAKE_SLOW, "slow");
	assert_int_equal(-ETIMEDOUT, get_image(fd, &image, why));
	wait_for_keepers(0);
	(void)close(fd);
}

/* What @fd asks for never comes, and @other releases it meanwhile. */
static void release_under_way(int fd, int other)
{
	char why[WIRE_WHY_MAX + 1];
	struct wire_image image = {.name = "slow"};

	send_prepare(fd, FAKE_SLOW, "slow");
	while (!fake_keeper_count())
		(void)poll(NULL, 0, 5);
	assert_int_equal(0, ask_image(other, WIRE_RELEASE, &image, NULL));
	assert_int_equal(-ECANCELED, get_image(fd, &image, why));
}

static void release_of_a_prepare_under_way_ends_both(void **state)
{
	int killed = fake_keeper_killed_owing();
	int fd = dial(), other = dial();

	release_under_way(fd, other);
	/* It may be in its pause: it has a moment, and others do not wait. */
	assert_int_equal(0, get_status(other).images);
	assert_int_equal(1, fake_keeper_count());
	assert_int_equal(killed, fake_keeper_killed_owing());
	fake_keeper_answer(FAKE_SLOW);
	wait_for_keepers(0);
	(void)close(fd);
	(void)close(other);
}

/* Silent for longer than that: it is killed. */
static void a_keeper_that_never_answers_ends_all_the_same(void **state)
{
	int killed = fake_keeper_killed_owing();
	int fd = dial(), other = dial();

	release_under_way(fd, other);
	assert_int_equal(1, fake_keeper_count());
	wait_for_keepers(0);
	assert_int_equal(killed + 1, fake_keeper_killed_owing());
	(void)close(fd);
	(void)close(other);
}

/* Nobody knows its key: it would hold memory until its lease ends. */
static void image_whose_client_left_is_ended(void **state)
{
	int fd = dial(), other;

	send_prepare(fd, 4711, "orphan");
	(void)close(fd);
	other = dial();
	while (get_status(other).prepared != 1)
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
	int fd = dial();

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
	int fd = dial();
	struct wire_image image = prepare(fd, 4711, "a");
	uint32_t handle;
	int error = 0, nr = 0;

	while (!error && nr < 1000) {
		error = ask_image(fd, WIRE_OPEN, &image, &handle);
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
	int fd = reader->seed % 2 ? raw_join(raw_dial_tcp(port)) : dial();

	for (int i = 0; i < 2; i++)
		assert_int_equal(0, ask_image(fd, WIRE_OPEN, &reader->images[i],
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
	int fd = dial();
	const struct wire_image images[2] = {prepare(fd, 4711, "one"),
					     prepare(fd, 4712, "two")};
	struct reader readers[8];

	for (unsigned i = 0; i < 8; i++) {
		readers[i] = (struct reader){.images = images, .seed = i};
		assert_int_equal(0, pthread_create(&readers[i].thread, NULL,
						   read_much, &readers[i]));
	}
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(0, pthread_join(readers[i].thread, NULL));
	assert_int_equal(8 * 300, get_status(fd).reads);
	(void)close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

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
						shorter_prepare, stop),
		CASE(release_of_a_prepare_under_way_ends_both),
		CASE(a_keeper_that_never_answers_ends_all_the_same),
		CASE(image_whose_client_left_is_ended),
		CASE(broken_bodies_are_refused),
		CASE(connection_has_a_limit_of_handles),
		CASE(eight_clients_of_two_images_get_their_own_bytes),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
