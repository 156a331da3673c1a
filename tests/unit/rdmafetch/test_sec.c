/* SPDX-License-Identifier: MIT */
/* test_sec.c - credentials: whose they are, what for, once, and not for long */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "config.h"
#include "munged.h"
#include "rdmafetch/sec.h"

#if HAVE_MUNGE
#include <munge.h>
#endif

#define NOBODY 65534

static struct munged munged;
static struct sec_settings settings;
static struct sockaddr_in server;
static struct sec_way way = {.server = (struct sockaddr *)&server};
static char why[WIRE_WHY_MAX + 1];

static struct sockaddr_in address(const char *text, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(port)};

	assert_int_equal(1, inet_pton(AF_INET, text, &in.sin_addr));
	return in;
}

static int start(void **state)
{
	server = address("10.7.0.1", 7373);
	way.is_verbs = false;
	why[0] = '\0';
	if (!munged_possible())
		skip(); /* no munged, or built without libmunge */
	munged_start(&munged, 'a');
	assert_int_equal(
		0, sec_set(&(struct sec_words){.kind = "munge",
					       .munge_socket = munged.socket},
			   &settings, why));
	return 0;
}

static int stop(void **state)
{
	if (munged_possible())
		munged_stop(&munged);
	return 0;
}

static struct wire_hello make(void)
{
	struct wire_hello hello = {.version = WIRE_VERSION};

	if (sec_make_credential(&settings, &way, &hello, why))
		fail_msg("no credential: %s", why);
	assert_int_equal(WIRE_SEC_MUNGE, hello.sec);
	return hello;
}

static int check(const struct wire_hello *hello, struct sec_identity *ret)
{
	why[0] = '\0';
	return sec_check_credential(&settings, &way, hello, ret, why);
}

/* It is refused, and the reason has @words. */
static void refused(const struct wire_hello *hello, const char *words)
{
	struct sec_identity identity = {1, 2};

	assert_int_equal(-EACCES, check(hello, &identity));
	if (!strstr(why, words))
		fail_msg("'%s' is not in: %s", words, why);
	assert_int_equal(1, identity.uid);
}

static void credential_says_who_made_it(void **state)
{
	struct wire_hello hello = make();
	struct sec_identity identity;

	assert_int_equal(0, check(&hello, &identity));
	assert_int_equal(geteuid(), identity.uid);
	assert_int_equal(getegid(), identity.gid);
}

/* Another user's, made by a process of that user. */
static void another_user_is_another(void **state)
{
	struct sec_identity identity;
	struct wire_hello hello;
	int ends[2];
	pid_t child;

	if (geteuid())
		skip(); /* only root can become somebody else */
	assert_int_equal(0, pipe(ends));
	child = fork();
	if (!child) {
		if (setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY) ||
		    sec_make_credential(&settings, &way, &hello, why))
			_exit(1);
		_exit(!!io_write_all(ends[1], &hello, sizeof(hello)));
	}
	assert_int_equal(0, io_read_all(ends[0], &hello, sizeof(hello)));
	assert_int_equal(child, waitpid(child, NULL, 0));
	assert_int_equal(0, check(&hello, &identity));
	assert_int_equal(NOBODY, identity.uid);
	assert_int_equal(NOBODY, identity.gid);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void replayed_is_refused(void **state)
{
	struct wire_hello hello = make();
	struct sec_identity identity;

	assert_int_equal(0, check(&hello, &identity));
	refused(&hello, "Replayed");
}

/* Shown to a daemon it was not made for: address, port, or transport. */
static void credential_for_elsewhere_is_refused(void **state)
{
	struct wire_hello hello = make();

	server = address("10.7.0.2", 7373);
	refused(&hello, "'mitosis hello 5 to tcp 10.7.0.1:7373'");
	server = address("10.7.0.1", 7373);
	hello = make();
	server.sin_port = htons(7374);
	refused(&hello, "10.7.0.1:7374");
	hello = make();
	way.is_verbs = true;
	refused(&hello, "rdma 10.7.0.1:7374");
}

static void other_key_is_refused(void **state)
{
	struct wire_hello hello = make();
	struct munged other;

	munged_start(&other, 'b');
	assert_int_equal(
		0, sec_set(&(struct sec_words){.kind = "munge",
					       .munge_socket = other.socket},
			   &settings, why));
	refused(&hello, "same munge key");
	munged_stop(&other);
}

static void changed_is_refused(void **state)
{
	struct wire_hello good = make(), hello;

	for (uint32_t at = 6; at < good.cred_bytes - 1; at += 11) {
		hello = good;
		hello.cred[at] = hello.cred[at] == 'A' ? 'B' : 'A';
		refused(&hello, "munge");
	}
	hello = good;
	hello.cred_bytes /= 2;
	refused(&hello, "munge");
	hello = good;
	hello.cred[20] = '\0';
	refused(&hello, "no credential");
	memset(hello.cred, 'x', sizeof(hello.cred));
	hello.cred_bytes = WIRE_CRED_MAX;
	refused(&hello, "munge");
	hello.cred_bytes = 0;
	refused(&hello, "no credential");
}

#if HAVE_MUNGE
/* A credential of munged with another payload or life than ours have. */
static struct wire_hello make_odd(const char *payload, int ttl_s)
{
	struct wire_hello hello = {.sec = WIRE_SEC_MUNGE};
	munge_ctx_t ctx = munge_ctx_create();
	char *cred = NULL;

	assert_int_equal(EMUNGE_SUCCESS,
			 munge_ctx_set(ctx, MUNGE_OPT_SOCKET, munged.socket));
	assert_int_equal(EMUNGE_SUCCESS,
			 munge_ctx_set(ctx, MUNGE_OPT_TTL, ttl_s));
	assert_int_equal(EMUNGE_SUCCESS, munge_encode(&cred, ctx, payload,
						      (int)strlen(payload)));
	hello.cred_bytes = (uint32_t)strlen(cred);
	memcpy(hello.cred, cred, hello.cred_bytes);
	free(cred);
	munge_ctx_destroy(ctx);
	return hello;
}

static void long_lived_is_refused(void **state)
{
	char payload[SEC_PAYLOAD_MAX + 1];
	struct sec_identity identity;
	struct wire_hello hello;

	sec_payload(&way, payload);
	hello = make_odd(payload, SEC_TTL_S);
	assert_int_equal(0, check(&hello, &identity));
	hello = make_odd(payload, SEC_TTL_S + 1);
	refused(&hello, "61 s");
}

static void expired_is_refused(void **state)
{
	char payload[SEC_PAYLOAD_MAX + 1];
	struct wire_hello hello;

	sec_payload(&way, payload);
	hello = make_odd(payload, 1);
	(void)sleep(3);
	refused(&hello, "Expired");
}

/* Made for another program of the cluster; its words are made printable. */
static void credential_of_another_program_is_refused(void **state)
{
	char longer[2 * SEC_PAYLOAD_MAX];
	struct wire_hello hello = make_odd("slurm\n\033[2J", 60);

	refused(&hello, "'slurm??[2J'");
	hello = make_odd("", 60);
	refused(&hello, "''");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	hello = make_odd(longer, 60);
	refused(&hello, "xxx");
}
#endif

static void absent_munged_is_told(void **state)
{
	struct wire_hello hello = make(), none;
	struct sec_identity identity;

	assert_int_equal(
		0,
		sec_set(&(struct sec_words){.kind = "munge",
					    .munge_socket = "/nowhere/socket"},
			&settings, why));
	assert_int_equal(-EAGAIN, check(&hello, &identity));
	assert_non_null(strstr(why, "is munged running"));
	assert_int_equal(-EAGAIN,
			 sec_make_credential(&settings, &way, &none, why));
	assert_int_equal(WIRE_SEC_NONE, none.sec);
	assert_int_equal(0, none.cred_bytes);
	assert_non_null(strstr(why, "is munged running"));
}

/*
 * One call waits for a munged that hangs, and ends; the next does not wait.
 * When it lives again, so do we.
 */
static void hanging_munged_does_not_hang_us(void **state)
{
	struct wire_hello hello = make();
	struct sec_identity identity;
	uint64_t before_ns, first_ns, second_ns;
	int error;

	assert_int_equal(0, kill(munged.pid, SIGSTOP));
	before_ns = io_monotonic_ns();
	assert_int_equal(-EAGAIN, check(&hello, &identity));
	assert_non_null(strstr(why, "does not answer"));
	first_ns = io_monotonic_ns() - before_ns;
	assert_int_equal(-EAGAIN, check(&hello, &identity));
	second_ns = io_monotonic_ns() - before_ns - first_ns;
	assert_true(second_ns < first_ns / 2);
	assert_int_equal(0, kill(munged.pid, SIGCONT));
	do {
		(void)poll(NULL, 0, 20);
		error = sec_make_credential(&settings, &way, &hello, why);
	} while (error == -EAGAIN);
	assert_int_equal(0, error);
	assert_int_equal(0, check(&hello, &identity));
}

static void kinds_must_agree(void **state)
{
	struct wire_hello hello = make();
	const struct sec_settings none = {.kind = WIRE_SEC_NONE};
	struct sec_identity identity;

	assert_int_equal(-EOPNOTSUPP, sec_check_credential(&none, &way, &hello,
							   &identity, why));
	assert_non_null(strstr(why, "sec=munge"));
	assert_non_null(strstr(why, "--sec=none"));
	hello.sec = 2;
	assert_int_equal(-EOPNOTSUPP, check(&hello, &identity));
}

/* What needs no munged. */
static void payload_names_the_end(void **state)
{
	const struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(80)};
	struct sec_way six = {.is_verbs = true,
			      .server = (struct sockaddr *)&in6};
	const struct sec_way local = {.server = (const struct sockaddr *)&un};
	char text[SEC_PAYLOAD_MAX + 1];

	assert_int_equal(1, inet_pton(AF_INET6, "fd00::1", &in6.sin6_addr));
	sec_payload(&six, text);
	assert_string_equal("mitosis hello 5 to rdma [fd00::1]:80", text);
	/* An IPv4 peer of an IPv6 socket is the same peer. */
	assert_int_equal(
		1, inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6.sin6_addr));
	sec_payload(&six, text);
	assert_string_equal("mitosis hello 5 to rdma 10.1.2.3:80", text);
	sec_payload(&local, text);
	assert_string_equal("mitosis hello 5 to tcp this host", text);
}

/* Whoever says how means to be known so: not to be somebody without a word. */
static void words_without_their_kind_are_refused(void **state)
{
	static const struct sec_words words[] = {
		{.kind = NULL, .munge_socket = "/m"},
		{.kind = "none", .munge_socket = "/m", .is_server = true},
		{.kind = "psk", .munge_socket = "/m"},
		{.kind = NULL, .psk_user = "bob"},
		{.kind = "none", .psk_file = "/k"},
	};
	struct sec_settings set;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		assert_int_equal(-EINVAL, sec_set(&words[i], &set, why));
		assert_non_null(strstr(why, "leave the"));
	}
}

static void settings_are_checked(void **state)
{
	struct sec_settings set = {.kind = WIRE_SEC_MUNGE};
#if HAVE_MUNGE
	char path[SEC_SOCKET_MAX + 2];
#endif

	assert_int_equal(0, sec_set(&(struct sec_words){.kind = NULL,
							.munge_socket = NULL},
				    &set, why));
	assert_int_equal(WIRE_SEC_NONE, set.kind);
	assert_int_equal(-EINVAL,
			 sec_set(&(struct sec_words){.kind = "sys",
						     .munge_socket = NULL},
				 &set, why));
	assert_string_equal("sec=sys: it is none, munge or psk", why);
	assert_int_equal(
		-EINVAL,
		sec_set(&(struct sec_words){.kind = "", .munge_socket = NULL},
			&set, why));
#if HAVE_MUNGE
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(-EINVAL,
			 sec_set(&(struct sec_words){.kind = "munge",
						     .munge_socket = path},
				 &set, why));
	path[SEC_SOCKET_MAX] = '\0';
	assert_int_equal(0, sec_set(&(struct sec_words){.kind = "munge",
							.munge_socket = path},
				    &set, why));
	assert_string_equal(path, set.munge_socket);
#else
	assert_int_equal(-EOPNOTSUPP,
			 sec_set(&(struct sec_words){.kind = "munge",
						     .munge_socket = NULL},
				 &set, why));
	assert_non_null(strstr(why, "built without"));
#endif
}

static void none_makes_none(void **state)
{
	const struct sec_settings none = {.kind = WIRE_SEC_NONE};
	struct wire_hello hello = {.sec = 7, .cred_bytes = 9};

	assert_int_equal(0, sec_make_credential(&none, &way, &hello, why));
	assert_int_equal(WIRE_SEC_NONE, hello.sec);
	assert_int_equal(0, hello.cred_bytes);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(payload_names_the_end),
		cmocka_unit_test(settings_are_checked),
		cmocka_unit_test(words_without_their_kind_are_refused),
		cmocka_unit_test(none_makes_none),
		CASE(credential_says_who_made_it),
		CASE(another_user_is_another),
		CASE(replayed_is_refused),
		CASE(credential_for_elsewhere_is_refused),
		CASE(other_key_is_refused),
		CASE(changed_is_refused),
#if HAVE_MUNGE
		CASE(long_lived_is_refused),
		CASE(expired_is_refused),
		CASE(credential_of_another_program_is_refused),
#endif
		CASE(absent_munged_is_told),
		CASE(hanging_munged_does_not_hang_us),
		CASE(kinds_must_agree),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
