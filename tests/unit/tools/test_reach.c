/* SPDX-License-Identifier: MIT */
/*
 * test_reach.c - which failures say that an image is no more, and which may
 * pass
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/contract/fake_server.h"
#include "tests/contract/keyfile.h"
#include "tools/reach.h"

#define ASK_MS 5000

static const struct wire_image image = {.name = "any"};

/* What a mount has said of the far end. */
static struct options options_of(const char *host, unsigned port)
{
	struct options options = {.proto = OPTIONS_TCP, .port = port};

	options.source.where = PARSE_TCP;
	(void)snprintf(options.source.host, sizeof(options.source.host), "%s",
		       host);
	return options;
}

/* Both ways to ask fail with @error, in words, and have the same verdict. */
static void assert_fails(const struct options *options, enum wire_type type,
			 int error, bool is_gone)
{
	uint8_t bytes[WIRE_REQUEST_MAX];
	const struct reach_question question = {
		type, bytes, wire_put_image(bytes, &image), ASK_MS};
	struct reach_failure failure = {.is_gone = !is_gone};
	struct transport *transport = NULL;
	struct tcp_opened opened;
	struct reach reach;

	assert_int_equal(reach_init(&reach, options), 0);
	if (type == WIRE_OPEN)
		assert_int_equal(reach_open(&reach, &image, &transport, &opened,
					    &failure),
				 error);
	else
		assert_int_equal(
			reach_ask(&reach, &question, NULL, NULL, &failure),
			error);
	assert_int_equal(failure.is_gone, is_gone);
	assert_int_not_equal(failure.why[0], '\0');
	assert_null(transport);
	reach_done(&reach);
}

/* As assert_fails(), for OPEN and for RENEW, from a far end that says so. */
static void assert_verdict(const struct fake_server_options *script, int error,
			   bool is_gone)
{
	struct fake_server *server = fake_server_start(script);
	struct tcp_address address;
	struct options options;

	assert_non_null(server);
	address = fake_server_address(server);
	options = options_of(address.host, address.port);
	assert_fails(&options, WIRE_OPEN, error, is_gone);
	assert_fails(&options, WIRE_RENEW, error, is_gone);
	fake_server_stop(server);
}

static void answer_about_an_image_decides(void **state)
{
	static const int gone[] = {-ENOENT, -ESTALE};
	static const int passing[] = {-EAGAIN, -ENOMEM, -EACCES,
				      -EIO,    -EMFILE, -EUSERS};

	(void)state;
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		assert_verdict(
			&(struct fake_server_options){.open_status = gone[i],
						      .other_status = gone[i]},
			gone[i], true);
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		assert_verdict(
			&(struct fake_server_options){.open_status = passing[i],
						      .other_status =
							      passing[i]},
			passing[i], false);
}

static void daemon_that_knows_no_hello_of_ours_is_another(void **state)
{
	static const int gone[] = {-EPROTONOSUPPORT, -EOPNOTSUPP};

	(void)state;
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		assert_verdict(
			&(struct fake_server_options){.hello_status = gone[i]},
			gone[i], true);
}

/* Full, no memory, no munged, no such user: of images they say nothing. */
static void door_that_is_shut_says_nothing_of_images(void **state)
{
	static const int passing[] = {-EUSERS, -ENOMEM, -EAGAIN,
				      -EACCES, -ENOENT, -ESTALE};

	(void)state;
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		assert_verdict(
			&(struct fake_server_options){.hello_status =
							      passing[i]},
			passing[i], false);
}

static void end_without_words_says_nothing_of_images(void **state)
{
	(void)state;
	assert_verdict(&(struct fake_server_options){.hello = FAKE_BAD_MAGIC},
		       -EPROTO, false);
	assert_verdict(&(struct fake_server_options){.hello = FAKE_CUT},
		       -ECONNRESET, false);
	/* A yes in another version: no mitosisd says that. */
	assert_verdict(&(struct fake_server_options){.version = 99},
		       -EPROTONOSUPPORT, false);
}

static void name_that_does_not_resolve_is_no_answer(void **state)
{
	const struct options options = options_of("no host at all", 1);

	(void)state;
	assert_fails(&options, WIRE_OPEN, -ENOENT, false);
	assert_fails(&options, WIRE_RENEW, -ENOENT, false);
}

/* It has words, and the same errno as the end of an image. */
static void key_file_that_is_missing_is_no_answer(void **state)
{
	struct options options = options_of("127.0.0.1", 1);

	(void)state;
	options.sec = keyfile_sec("/nowhere/at/all", "any");
	assert_fails(&options, WIRE_OPEN, -ENOENT, false);
	assert_fails(&options, WIRE_RENEW, -ENOENT, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_about_an_image_decides),
		cmocka_unit_test(daemon_that_knows_no_hello_of_ours_is_another),
		cmocka_unit_test(door_that_is_shut_says_nothing_of_images),
		cmocka_unit_test(end_without_words_says_nothing_of_images),
		cmocka_unit_test(name_that_does_not_resolve_is_no_answer),
		cmocka_unit_test(key_file_that_is_missing_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
