/* SPDX-License-Identifier: MIT */
/* test_ask.c - what clients and a loader that serves say to each other */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/ask.h"

static struct ask_choice choices[] = {
	{.fd = 5, .sent = -1, .path = "/dev/null"},
	{.fd = 7, .sent = 0, .path = NULL},
};
static struct fate_port ports[] = {{6379, 7000}};

static struct ask sample(void)
{
	return (struct ask){
		.nr_children = 3,
		.linger = true,
		.has_terminal = true,
		.image = "/mnt/image",
		.cwd = "/tmp",
		.root = "/srv",
		.nr_choices = 2,
		.choices = choices,
		.nr_ports = 1,
		.ports = ports,
	};
}

static void test_ask_is_what_it_was(void **state)
{
	static uint8_t body[ASK_BODY_MAX];
	const struct ask ask = sample();
	struct ask got;
	size_t len;

	assert_int_equal(ask_encode(&ask, body, &len), 0);
	assert_int_equal(ask_decode(body, len, 5, &got), 0);
	assert_int_equal(got.nr_children, 3);
	assert_true(got.linger);
	assert_false(got.wants_pids);
	assert_int_equal(ask_first_choice(&got), 4);
	assert_string_equal(got.image, "/mnt/image");
	assert_string_equal(got.cwd, "/tmp");
	assert_string_equal(got.root, "/srv");
	assert_int_equal(got.nr_choices, 2);
	assert_int_equal(got.choices[0].fd, 5);
	assert_string_equal(got.choices[0].path, "/dev/null");
	assert_int_equal(got.choices[1].sent, 0);
	assert_int_equal(got.ports[0].from, 6379);
	assert_int_equal(got.ports[0].to, 7000);
	ask_free(&got);
}

/* A body that is cut anywhere, or has more behind it, is none. */
static void test_every_length_counts(void **state)
{
	static uint8_t body[ASK_BODY_MAX];
	const struct ask ask = sample();
	struct ask got;
	size_t len;

	assert_int_equal(ask_encode(&ask, body, &len), 0);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(ask_decode(body, cut, 5, &got), -EPROTO);
	body[len] = 0;
	assert_int_equal(ask_decode(body, len + 1, 5, &got), -EPROTO);
}

static int decode(const struct ask *ask, unsigned nr_fds)
{
	static uint8_t body[ASK_BODY_MAX];
	struct ask got;
	size_t len;
	int error = ask_encode(ask, body, &len);

	if (!error)
		error = ask_decode(body, len, nr_fds, &got);
	if (!error)
		ask_free(&got);
	return error;
}

static void test_nonsense_is_refused(void **state)
{
	struct ask ask = sample();

	assert_int_equal(decode(&ask, 5), 0);
	assert_int_equal(decode(&ask, 4), -EPROTO); /* --fd 7=M did not come */
	assert_int_equal(decode(&ask, 3), -EPROTO); /* nor the terminal */
	ask.nr_children = 0;
	assert_int_equal(decode(&ask, 5), -EPROTO);
	ask.nr_children = ASK_NR_MAX + 1;
	assert_int_equal(decode(&ask, 5), -EPROTO);
	ask = sample();
	choices[0].path = "";
	assert_int_equal(decode(&ask, 5), -EPROTO); /* neither path nor fd */
	choices[0].path = "/dev/null";
	choices[0].fd = -1;
	assert_int_equal(decode(&ask, 5), -EPROTO);
	choices[0].fd = 5;
	ask.nr_choices = ASK_CHOICES_MAX + 1;
	assert_int_equal(decode(&ask, 5), -E2BIG);
}

static void test_heads_belong_to_a_side(void **state)
{
	struct ask_head head = {
		.magic = ASK_MAGIC, .type = ASK_SIGNAL, .value = 15};

	assert_int_equal(ask_check_head(&head, true), 0);
	assert_int_equal(ask_check_head(&head, false), -EPROTO);
	head.value = 0;
	assert_int_equal(ask_check_head(&head, true), -EPROTO);
	head.value = ASK_SIGNAL_MAX + 1;
	assert_int_equal(ask_check_head(&head, true), -EPROTO);
	head = (struct ask_head){.magic = ASK_MAGIC, .type = ASK_CHILDREN};
	assert_int_equal(ask_check_head(&head, true), -EPROTO); /* no body */
	head.body_bytes = ASK_BODY_MAX;
	assert_int_equal(ask_check_head(&head, true), 0);
	head.body_bytes++;
	assert_int_equal(ask_check_head(&head, true), -EPROTO);
	head = (struct ask_head){.magic = ASK_MAGIC, .type = ASK_STARTED};
	assert_int_equal(ask_check_head(&head, false), 0);
	head.magic++;
	assert_int_equal(ask_check_head(&head, false), -EPROTO);
	head = (struct ask_head){.magic = ASK_MAGIC, .type = ASK_TYPES_END};
	assert_int_equal(ask_check_head(&head, false), -EPROTO);
}

static void test_a_message_arrives_with_its_fds(void **state)
{
	static uint8_t room[ASK_BODY_MAX + 1];
	struct ask_message got,
		sent = {
			.head = {.type = ASK_KILLED, .body_bytes = 5},
			.body = "words",
			.fds = {0},
			.nr_fds = 1,
		};
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	assert_int_equal(ask_send(ends[0], &sent), 0);
	assert_int_equal(ask_receive(ends[1], false, room, &got), 0);
	assert_string_equal((const char *)got.received, "words");
	assert_int_equal(got.nr_fds, 1);
	ask_close_fds(&got);
	assert_int_equal(ask_send(ends[0], &sent), 0);
	assert_int_equal(ask_receive(ends[1], true, room, &got), -EPROTO);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ask_is_what_it_was),
		cmocka_unit_test(test_every_length_counts),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_heads_belong_to_a_side),
		cmocka_unit_test(test_a_message_arrives_with_its_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
