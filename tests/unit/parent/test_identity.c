/* SPDX-License-Identifier: MIT */
/* test_identity.c - who a client is: by the kernel, by a credential, or nobody
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "munged.h"
#include "parent/identity.h"

static struct munged munged;
static struct identity_policy policy;
static struct wire_hello hello;
static struct peer peer;
static char why[WIRE_WHY_MAX + 1];

static int start(void **state)
{
	policy = (struct identity_policy){0};
	hello = (struct wire_hello){.version = WIRE_VERSION};
	peer = (struct peer){.uid = 77};
	why[0] = '\0';
	return 0;
}

static int start_munge(void **state)
{
	(void)start(state);
	if (!munged_possible())
		skip(); /* no munged, or built without libmunge */
	munged_start(&munged, 'a');
	return sec_set(&(struct sec_words){.kind = "munge",
					   .munge_socket = munged.socket},
		       &policy.sec, why);
}

static int stop_munge(void **state)
{
	if (munged_possible())
		munged_stop(&munged);
	return 0;
}

static struct sockaddr_storage end_at(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(99)};
	struct sockaddr_storage storage = {0};

	assert_int_equal(1, inet_pton(AF_INET, text, &in.sin_addr));
	memcpy(&storage, &in, sizeof(in));
	return storage;
}

/* As verbs connections come, which have no socket. */
static int find(const char *here, const char *there)
{
	const struct sockaddr_storage ends[2] = {end_at(here), end_at(there)};
	const struct identity_ask ask = {.fd = -1,
					 .is_verbs = true,
					 .here = &ends[0],
					 .there = &ends[1],
					 .hello = &hello};

	return identity_find(&policy, &ask, &peer, why);
}

static void show_credential(const char *server)
{
	const struct sockaddr_storage end = end_at(server);
	const struct sec_way way = {.is_verbs = true,
				    .server = (const struct sockaddr *)&end};

	assert_int_equal(0,
			 sec_make_credential(&policy.sec, &way, &hello, why));
}

static void nobody_comes_over_a_network_unsaid(void **state)
{
	assert_int_equal(-EACCES, find("10.0.0.1", "10.0.0.2"));
	assert_non_null(strstr(why, "use sec=munge"));
	assert_int_equal(-EACCES, find("127.0.0.1", "10.0.0.2"));
	assert_int_equal(-EACCES, find("10.0.0.1", "127.0.0.1"));
	assert_int_equal(-EACCES, find("10.0.0.1", "10.0.0.1"));
	assert_int_equal(77, peer.uid);
}

static void who_comes_from_nowhere_comes_from_outside(void **state)
{
	const struct identity_ask ask = {.fd = -1, .hello = &hello};

	assert_int_equal(-EACCES, identity_find(&policy, &ask, &peer, why));
}

static void inside_without_a_socket_is_unknown(void **state)
{
	assert_int_equal(0, find("127.0.0.1", "127.0.0.1"));
	assert_false(peer.known);
}

static void unix_socket_tells_its_peer(void **state)
{
	struct identity_ask ask = {.hello = &hello};
	int fds[2];

	assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	ask.fd = fds[0];
	assert_int_equal(0, identity_find(&policy, &ask, &peer, why));
	assert_true(peer.known);
	assert_int_equal(geteuid(), peer.uid);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void credential_without_sec_is_refused(void **state)
{
	hello.sec = WIRE_SEC_MUNGE;
	assert_int_equal(-EOPNOTSUPP, find("127.0.0.1", "127.0.0.1"));
	assert_non_null(strstr(why, "--sec=none"));
}

static void network_needs_a_credential_with_sec_too(void **state)
{
	assert_int_equal(-EACCES, find("10.0.0.1", "10.0.0.2"));
	hello.sec = WIRE_SEC_MUNGE;
	assert_int_equal(-EACCES, find("10.0.0.1", "10.0.0.2"));
}

static void remote_root_is_squashed(void **state)
{
	if (geteuid())
		skip(); /* only root's credential says root */
	show_credential("10.0.0.1");
	assert_int_equal(0, find("10.0.0.1", "10.0.0.2"));
	assert_false(peer.known);
	assert_true(peer.squashed);
	/* From a forwarder of this host it is no better. */
	show_credential("127.0.0.1");
	assert_int_equal(0, find("127.0.0.1", "127.0.0.1"));
	assert_false(peer.known);
}

static void remote_root_is_root_where_that_is_wanted(void **state)
{
	if (geteuid())
		skip(); /* only root's credential says root */
	policy.no_root_squash = true;
	show_credential("10.0.0.1");
	assert_int_equal(0, find("10.0.0.1", "10.0.0.2"));
	assert_true(peer.known);
	assert_false(peer.squashed);
	assert_int_equal(0, peer.uid);
}

/* The kernel says so too. */
static void our_own_root_is_root_by_credential_too(void **state)
{
	struct identity_ask ask = {.hello = &hello};
	const struct sockaddr_storage here = {.ss_family = AF_UNIX};
	const struct sec_way way = {.server = (const struct sockaddr *)&here};
	int fds[2];

	assert_int_equal(0,
			 sec_make_credential(&policy.sec, &way, &hello, why));
	assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	ask.fd = fds[0];
	assert_int_equal(0, identity_find(&policy, &ask, &peer, why));
	assert_true(peer.known);
	assert_int_equal(geteuid(), peer.uid);
	/* A wrong one is refused, whatever the kernel says. */
	assert_int_equal(-EACCES, identity_find(&policy, &ask, &peer, why));
	assert_non_null(strstr(why, "Replayed"));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void credential_for_another_end_is_refused(void **state)
{
	show_credential("10.0.0.3");
	assert_int_equal(-EACCES, find("10.0.0.1", "10.0.0.2"));
	assert_non_null(strstr(why, "10.0.0.3"));
}

/* ---- by a key ---- */

static int start_psk(void **state)
{
	(void)start(state);
	policy.sec.kind = WIRE_SEC_PSK;
	hello.sec = WIRE_SEC_PSK;
	return 0;
}

/* As a connection in TLS by the key of @name comes, over a network. */
static int find_by_key(const char *name)
{
	const struct sockaddr_storage ends[2] = {end_at("10.0.0.1"),
						 end_at("10.0.0.2")};
	const struct identity_ask ask = {.fd = -1,
					 .here = &ends[0],
					 .there = &ends[1],
					 .hello = &hello,
					 .tls_name = name};

	return identity_find(&policy, &ask, &peer, why);
}

static void key_says_which_user(void **state)
{
	const struct passwd *user = getpwnam("nobody");

	if (!user)
		skip(); /* a host without the usual users */
	assert_int_equal(0, find_by_key("nobody"));
	assert_true(peer.known);
	assert_false(peer.squashed);
	assert_int_equal(user->pw_uid, peer.uid);
	assert_int_equal(user->pw_gid, peer.gid);
}

static void key_of_no_user_is_refused(void **state)
{
	assert_int_equal(-EACCES, find_by_key("no-such-user"));
	assert_non_null(strstr(why, "no user of the daemon's host is called"));
	/* Numbers are no names. */
	assert_int_equal(-EACCES, find_by_key("0"));
	assert_int_equal(77, peer.uid);
}

static void root_by_its_key_is_squashed(void **state)
{
	assert_int_equal(0, find_by_key("root"));
	assert_false(peer.known);
	assert_true(peer.squashed);
	policy.no_root_squash = true;
	assert_int_equal(0, find_by_key("root"));
	assert_true(peer.known);
	assert_int_equal(0, peer.uid);
}

static void key_counts_inside_tls_only(void **state)
{
	assert_int_equal(-EACCES, find_by_key(NULL));
	assert_non_null(strstr(why, "outside of TLS"));
	assert_int_equal(-EACCES, find("10.0.0.1", "10.0.0.2"));
	assert_int_equal(-EACCES, find("127.0.0.1", "127.0.0.1"));
	hello.sec = WIRE_SEC_NONE;
	assert_int_equal(-EACCES, find_by_key(NULL));
	assert_non_null(strstr(why, "use sec=psk"));
}

/* What HELLO says must fit to what it is in. */
static void hello_in_tls_must_say_so(void **state)
{
	hello.cred_bytes = 1;
	assert_int_equal(-EACCES, find_by_key("nobody"));
	hello.cred_bytes = 0;
	hello.sec = WIRE_SEC_NONE;
	assert_int_equal(-EOPNOTSUPP, find_by_key("nobody"));
	hello.sec = WIRE_SEC_MUNGE;
	assert_int_equal(-EOPNOTSUPP, find_by_key("nobody"));
	assert_int_equal(77, peer.uid);
}

#define CASE(name) cmocka_unit_test_setup(name, start)
#define PSK(name)  cmocka_unit_test_setup(name, start_psk)
#define MUNGE(name)                                                            \
	cmocka_unit_test_setup_teardown(name, start_munge, stop_munge)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(nobody_comes_over_a_network_unsaid),
		CASE(who_comes_from_nowhere_comes_from_outside),
		CASE(inside_without_a_socket_is_unknown),
		CASE(unix_socket_tells_its_peer),
		CASE(credential_without_sec_is_refused),
		PSK(key_says_which_user),
		PSK(key_of_no_user_is_refused),
		PSK(root_by_its_key_is_squashed),
		PSK(key_counts_inside_tls_only),
		PSK(hello_in_tls_must_say_so),
		MUNGE(network_needs_a_credential_with_sec_too),
		MUNGE(remote_root_is_squashed),
		MUNGE(remote_root_is_root_where_that_is_wanted),
		MUNGE(our_own_root_is_root_by_credential_too),
		MUNGE(credential_for_another_end_is_refused),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
