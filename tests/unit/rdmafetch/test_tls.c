/* SPDX-License-Identifier: MIT */
/* test_tls.c - two ends of TLS, with every byte between them in our hands */
#include "rdmafetch/tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/wire.h"
#include "tests/contract/keyfile.h"

static char path[KEYFILE_PATH_MAX];
static char client_why[WIRE_WHY_MAX + 1], server_why[WIRE_WHY_MAX + 1];
static struct tls *client, *server;

static int start(void **state)
{
	keyfile_make("alice:" KEYFILE_KEY "\nbob:" KEYFILE_OTHER "\n", path);
	return 0;
}

static int stop(void **state)
{
	tls_free(client);
	tls_free(server);
	client = server = NULL;
	(void)unlink(path);
	return 0;
}

/* Both ends; the client's key is 16 bytes, each as @first. */
static void open_both(const char *name, const char *keys_name)
{
	struct psk_key key = {.len_bytes = 16};

	assert_int_equal(0, tls_new_server(path, &server));
	if (psk_read(path, keys_name, &key, client_why) <= 0)
		memset(key.bytes, 7, key.len_bytes);
	assert_int_equal(0, tls_new_client(name, &key, &client));
}

/* Move what goes, @most bytes at a time.  Returns how many went. */
static size_t carry(struct tls *from, struct tls *to, size_t most)
{
	size_t bytes, room;
	const void *out = tls_out(from, &bytes);
	void *in = tls_room(to, &room);

	bytes = bytes < room ? bytes : room;
	bytes = bytes < most ? bytes : most;
	if (!bytes)
		return 0;
	memcpy(in, out, bytes);
	tls_went(from, bytes);
	tls_came(to, bytes);
	return bytes;
}

/* Shake hands until both ends know how it ended, or nothing moves. */
static void greet(int *ret_client, int *ret_server, size_t most)
{
	bool moved = true;

	*ret_client = *ret_server = -EAGAIN;
	while (moved) {
		if (*ret_client == -EAGAIN)
			*ret_client = tls_greet(client, client_why);
		moved = carry(client, server, most);
		if (*ret_server == -EAGAIN)
			*ret_server = tls_greet(server, server_why);
		moved |= carry(server, client, most);
	}
	if (*ret_client == -EAGAIN)
		*ret_client = tls_greet(client, client_why);
}

static void greet_well(void)
{
	int c, s;

	open_both("alice", "alice");
	greet(&c, &s, SIZE_MAX);
	assert_int_equal(0, c);
	assert_int_equal(0, s);
}

static void same_key_lets_both_in(void **state)
{
	greet_well();
	assert_string_equal("alice", tls_name(server));
}

static void byte_by_byte_is_a_handshake_too(void **state)
{
	int c, s;

	open_both("alice", "alice");
	greet(&c, &s, 1);
	assert_int_equal(0, c);
	assert_int_equal(0, s);
}

/* Send @len bytes from one end to the other, and compare. */
static void check_way(struct tls *from, struct tls *to, size_t len)
{
	uint8_t *sent = malloc(len), *got = malloc(len);
	size_t nr_sent = 0, nr_got = 0;

	for (size_t i = 0; i < len; i++)
		sent[i] = (uint8_t)(i * 31 + (i >> 8));
	while (nr_got < len) {
		size_t unsent, part = len - nr_sent;
		ssize_t n;

		(void)tls_out(from, &unsent);
		if (!unsent && part) {
			part = part < TLS_PUT_MAX ? part : TLS_PUT_MAX;
			assert_int_equal(0,
					 tls_put(from, sent + nr_sent, part));
			nr_sent += part;
		}
		(void)carry(from, to, 10007);
		while ((n = tls_get(to, got + nr_got, len - nr_got)) > 0)
			nr_got += (size_t)n;
		assert_true(n == -EAGAIN || nr_got == len);
	}
	assert_memory_equal(sent, got, len);
	free(sent);
	free(got);
}

static void bytes_come_as_they_went_both_ways(void **state)
{
	static const size_t lens[] = {1, 16384, 16385, TLS_PUT_MAX, 3000000};

	greet_well();
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		check_way(client, server, lens[i]);
		check_way(server, client, lens[i]);
	}
}

static void what_goes_is_not_what_was_put(void **state)
{
	static const char secret[] = "a secret that must not be seen";
	size_t bytes;
	const void *out;

	greet_well();
	assert_int_equal(0, tls_put(server, secret, sizeof(secret)));
	out = tls_out(server, &bytes);
	assert_true(bytes > sizeof(secret));
	assert_null(memmem(out, bytes, "secret", 6));
}

/*
 * Who has no key, and who has a wrong one: the same bytes come back, and the
 * server's next step is the same.  Returns what the server says.
 */
static size_t refused(const char *name, const char *keys_name, uint8_t out[64])
{
	size_t bytes;
	const void *said;
	int c, s;

	open_both(name, keys_name);
	assert_int_equal(-EAGAIN, tls_greet(client, client_why));
	(void)carry(client, server, SIZE_MAX);
	assert_int_equal(-EACCES, tls_greet(server, server_why));
	said = tls_out(server, &bytes);
	assert_true(bytes <= 64);
	memcpy(out, said, bytes);
	greet(&c, &s, SIZE_MAX);
	assert_int_equal(-EACCES, c);
	assert_non_null(strstr(client_why, "has not got this key"));
	tls_free(client);
	tls_free(server);
	client = server = NULL;
	return bytes;
}

static void unknown_name_is_refused_as_a_wrong_key_is(void **state)
{
	uint8_t wrong[64], unknown[64];
	size_t bytes = refused("alice", "bob", wrong);

	assert_int_equal(bytes, refused("carol", "bob", unknown));
	assert_memory_equal(wrong, unknown, bytes);
	/* An alert, and nothing else. */
	assert_int_equal(7, bytes);
	assert_int_equal(0x15, wrong[0]);
}

/* Names that no file can hold are names that are not there. */
static void strange_names_are_refused_alike(void **state)
{
	uint8_t wrong[64], strange[64];
	size_t bytes = refused("alice", "bob", wrong);

	assert_int_equal(bytes, refused("a:b", "bob", strange));
	assert_memory_equal(wrong, strange, bytes);
	assert_int_equal(bytes, refused("\x1b[1m", "bob", strange));
	assert_null(strchr(server_why, '\x1b'));
}

static void file_that_became_readable_refuses_all(void **state)
{
	uint8_t said[64];

	assert_int_equal(0, chmod(path, 0644));
	(void)refused("alice", "alice", said);
	assert_non_null(strstr(server_why, "chmod 600"));
	assert_int_equal(0, chmod(path, 0600));
}

static void flipped_bit_ends_the_session(void **state)
{
	char buf[64];
	size_t bytes;
	uint8_t *out;

	greet_well();
	assert_int_equal(0, tls_put(server, "12345678", 8));
	out = (uint8_t *)tls_out(server, &bytes);
	out[bytes - 1] ^= 1;
	(void)carry(server, client, SIZE_MAX);
	assert_int_equal(-EPROTO, tls_get(client, buf, sizeof(buf)));
}

static void repeated_record_ends_the_session(void **state)
{
	uint8_t copy[256];
	char buf[64];
	size_t bytes, room;
	const void *out;

	greet_well();
	assert_int_equal(0, tls_put(server, "12345678", 8));
	out = tls_out(server, &bytes);
	assert_true(bytes <= sizeof(copy));
	memcpy(copy, out, bytes);
	(void)carry(server, client, SIZE_MAX);
	assert_int_equal(8, tls_get(client, buf, sizeof(buf)));
	memcpy(tls_room(client, &room), copy, bytes);
	tls_came(client, bytes);
	assert_int_equal(-EPROTO, tls_get(client, buf, sizeof(buf)));
}

/* Every byte of the first flight changed, once each: refused, or not noticed
 * because nothing hangs on it, but never let in as somebody else. */
static void changed_greeting_lets_nobody_in(void **state)
{
	for (size_t at = 5;; at++) {
		size_t bytes;
		uint8_t *out;
		int c, s;

		open_both("alice", "alice");
		assert_int_equal(-EAGAIN, tls_greet(client, client_why));
		out = (uint8_t *)tls_out(client, &bytes);
		if (at >= bytes)
			break;
		out[at] ^= 0x20;
		(void)carry(client, server, SIZE_MAX);
		s = tls_greet(server, server_why);
		if (s == -EAGAIN)
			greet(&c, &s, SIZE_MAX);
		assert_int_not_equal(0, s);
		tls_free(client);
		tls_free(server);
	}
}

static void noise_is_no_greeting(void **state)
{
	size_t room;
	uint8_t *in;

	for (unsigned seed = 0; seed < 200; seed++) {
		assert_int_equal(0, tls_new_server(path, &server));
		in = tls_room(server, &room);
		srand(seed);
		for (size_t i = 0; i < 600; i++)
			in[i] = (uint8_t)rand();
		in[0] = TLS_FIRST_BYTE;
		in[1] = 3;
		in[2] = 1;
		in[3] = 0;
		in[4] = seed % 200;
		tls_came(server, 600);
		assert_int_not_equal(0, tls_greet(server, server_why));
		tls_free(server);
	}
	server = NULL;
}

static void goodbye_is_heard(void **state)
{
	char buf[8];

	greet_well();
	assert_int_equal(0, tls_put(server, "x", 1));
	tls_end(server);
	(void)carry(server, client, SIZE_MAX);
	assert_int_equal(1, tls_get(client, buf, sizeof(buf)));
	assert_int_equal(0, tls_get(client, buf, sizeof(buf)));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
		TEST(same_key_lets_both_in),
		TEST(byte_by_byte_is_a_handshake_too),
		TEST(bytes_come_as_they_went_both_ways),
		TEST(what_goes_is_not_what_was_put),
		TEST(unknown_name_is_refused_as_a_wrong_key_is),
		TEST(strange_names_are_refused_alike),
		TEST(file_that_became_readable_refuses_all),
		TEST(flipped_bit_ends_the_session),
		TEST(repeated_record_ends_the_session),
		TEST(changed_greeting_lets_nobody_in),
		TEST(noise_is_no_greeting),
		TEST(goodbye_is_heard),
	};

	if (!tls_is_built) {
		print_message("skip: built without GnuTLS\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
