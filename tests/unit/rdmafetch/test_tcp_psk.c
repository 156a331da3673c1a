/* SPDX-License-Identifier: MIT */
/* test_tcp_psk.c - the serving end's TLS against good, bad and slow clients */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/io.h"
#include "common/page.h"
#include "common/source.h"
#include "fake_daemon.h"
#include "raw_client.h"
#include "rdmafetch/tcp.h"
#include "rdmafetch/tls.h"
#include "tests/contract/keyfile.h"

#define PATIENCE 10000
#define RADDR	 0x40000000ull

static const struct wire_image image = {.name = "any"};
static struct fake_daemon *fake;
static char keys[KEYFILE_PATH_MAX], others[KEYFILE_PATH_MAX];
static char why[WIRE_WHY_MAX + 1];

static int start(void **state)
{
	keyfile_make("alice:" KEYFILE_KEY "\n", keys);
	keyfile_make("alice:" KEYFILE_OTHER "\nbob:" KEYFILE_KEY "\n", others);
	fake = fake_daemon_start_psk(NULL, keys);
	return 0;
}

static int stop(void **state)
{
	fake_daemon_stop(fake);
	(void)unlink(keys);
	(void)unlink(others);
	return 0;
}

static struct tcp_address address_by(const char *path, const char *name)
{
	return (struct tcp_address){.host = "127.0.0.1",
				    .port = fake_daemon_port(fake),
				    .timeout_ms = PATIENCE,
				    .sec = keyfile_sec(path, name)};
}

static int connect_by(const char *path, const char *name)
{
	struct tcp_address address = address_by(path, name);
	struct tcp_control *control = NULL;
	int r = tcp_control_hello(&address, &control, why);

	tcp_control_close(control);
	return r;
}

static void wait_for_strangers(uint64_t nr)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (fake_daemon_stats(fake).strangers == nr)
			return;
		(void)poll(NULL, 0, 1);
	}
	fail_msg("strangers stay");
}

static void key_says_who_is_there(void **state)
{
	assert_int_equal(0, connect_by(keys, "alice"));
	assert_string_equal("alice", fake_daemon_tls_name(fake));
}

static void who_has_no_key_is_told_so_and_no_more(void **state)
{
	struct serve_stats stats;

	assert_int_equal(-EACCES, connect_by(others, "alice"));
	assert_non_null(strstr(why, "has not got this key"));
	assert_int_equal(-EACCES, connect_by(others, "bob"));
	assert_non_null(strstr(why, "has not got this key"));
	assert_int_equal(-ENOKEY, connect_by(others, "carol"));
	assert_non_null(strstr(why, "no key of the name carol"));
	wait_for_strangers(0);
	stats = fake_daemon_stats(fake);
	assert_int_equal(0, stats.clients);
	assert_int_equal(2, stats.turned_away);
	assert_int_equal(0, stats.requests);
	assert_int_equal(0, stats.read_bytes);
}

/* A key that was added counts at once, and one that was taken away no more. */
static void file_is_read_for_each_client(void **state)
{
	FILE *file = fopen(keys, "w");

	assert_non_null(file);
	assert_true(fputs("bob:" KEYFILE_KEY "\n", file) > 0);
	assert_int_equal(0, fclose(file));
	assert_int_equal(0, connect_by(others, "bob"));
	assert_int_equal(-EACCES, connect_by(others, "alice"));
}

static void plain_clients_are_for_others_to_judge(void **state)
{
	int fd = raw_join(raw_dial_tcp(fake_daemon_port(fake)));

	assert_string_equal("", fake_daemon_tls_name(fake));
	(void)close(fd);
}

static void server_without_keys_says_so(void **state)
{
	struct fake_daemon *before = fake;

	fake = fake_daemon_start(NULL);
	assert_int_equal(-EPROTO, connect_by(keys, "alice"));
	assert_non_null(strstr(why, "it runs without --sec=psk"));
	fake_daemon_stop(fake);
	fake = before;
}

/* ---- by hand ---- */

/* The first flight of a client, in @out; returns its bytes. */
static size_t first_flight(struct tls **ret, const void **ret_out)
{
	struct psk_key key;
	size_t bytes;

	assert_int_equal(1, psk_read(keys, "alice", &key, why));
	assert_int_equal(0, tls_new_client("alice", &key, ret));
	assert_int_equal(-EAGAIN, tls_greet(*ret, why));
	*ret_out = tls_out(*ret, &bytes);
	return bytes;
}

static void send_raw(int fd, const void *bytes, size_t len)
{
	assert_int_equal(len, send(fd, bytes, len, MSG_NOSIGNAL));
}

/* What TLS said before is not looked at. */
static void assert_dropped(int fd)
{
	char buf[4096];
	ssize_t got;

	do
		got = recv(fd, buf, sizeof(buf), 0);
	while (got > 0);
	assert_true(!got || errno == ECONNRESET);
	(void)close(fd);
}

static void flush(int fd, struct tls *tls)
{
	size_t bytes;
	const void *out = tls_out(tls, &bytes);

	send_raw(fd, out, bytes);
	tls_went(tls, bytes);
}

static void fill(int fd, struct tls *tls)
{
	size_t room;
	void *in = tls_room(tls, &room);
	ssize_t n = recv(fd, in, room, 0);

	assert_true(n > 0);
	tls_came(tls, (size_t)n);
}

/* A connection on which the handshake is over, and nothing else said. */
static int greeted(struct tls **ret)
{
	int fd = raw_dial_tcp(fake_daemon_port(fake)), r;
	const void *out;

	(void)first_flight(ret, &out);
	flush(fd, *ret);
	while ((r = tls_greet(*ret, why)) == -EAGAIN)
		fill(fd, *ret);
	assert_int_equal(0, r);
	flush(fd, *ret);
	return fd;
}

/* Slow ones at each step of the way; the others do not wait for them. */
static void slow_strangers_are_dropped_and_hold_up_nobody(void **state)
{
	const struct serve_options options = {
		.clients_max = 8,
		.strangers_max = 8,
		.hello_ms = 5000,
		.stall_ms = 60000,
	};
	struct fake_daemon *before = fake;
	struct tls *tls[3];
	const void *out;
	size_t bytes;
	int fds[4];

	fake = fake_daemon_start_psk(&options, keys);
	for (int i = 0; i < 3; i++)
		fds[i] = raw_dial_tcp(fake_daemon_port(fake));
	send_raw(fds[0], "\x16", 1);
	bytes = first_flight(&tls[0], &out);
	send_raw(fds[1], out, bytes / 2);
	bytes = first_flight(&tls[1], &out);
	send_raw(fds[2], out, bytes); /* is answered, and says no more */
	fds[3] = greeted(&tls[2]);    /* shook hands, and says no HELLO */
	assert_int_equal(0, connect_by(keys, "alice"));
	for (int i = 0; i < 4; i++)
		assert_dropped(fds[i]);
	wait_for_strangers(0);
	for (int i = 0; i < 3; i++)
		tls_free(tls[i]);
	fake_daemon_stop(fake);
	fake = before;
}

static void noise_in_the_handshake_ends_it(void **state)
{
	uint8_t noise[700];
	struct tls *tls;
	const void *out;
	size_t bytes;
	int fd;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 193 + 7);
	/* at once */
	memcpy(noise, "\x16\x03\x01\x00\xff", 5);
	fd = raw_dial_tcp(fake_daemon_port(fake));
	send_raw(fd, noise, sizeof(noise));
	(void)shutdown(fd, SHUT_WR);
	assert_dropped(fd);
	/* and in the place of the second flight */
	fd = raw_dial_tcp(fake_daemon_port(fake));
	bytes = first_flight(&tls, &out);
	send_raw(fd, out, bytes);
	fill(fd, tls);
	memcpy(noise, "\x17\x03\x03\x00\x40", 5);
	send_raw(fd, noise, sizeof(noise));
	(void)shutdown(fd, SHUT_WR);
	assert_dropped(fd);
	tls_free(tls);
	wait_for_strangers(0);
	assert_int_equal(0, connect_by(keys, "alice"));
}

/* Plain bytes behind the handshake are no way out of TLS. */
static void nobody_gets_back_to_plain(void **state)
{
	struct tls *tls;
	int fd = greeted(&tls);

	raw_hello(fd, WIRE_VERSION);
	assert_dropped(fd);
	tls_free(tls);
	assert_int_equal(0, fake_daemon_stats(fake).requests);
}

static void half_closed_is_closed(void **state)
{
	struct tls *tls;
	int fd = greeted(&tls);

	(void)shutdown(fd, SHUT_WR);
	assert_dropped(fd);
	tls_free(tls);
	fd = greeted(&tls);
	tls_end(tls);
	flush(fd, tls);
	assert_dropped(fd);
	tls_free(tls);
	wait_for_strangers(0);
}

/* ---- a wire that is cut ---- */

struct cutter {
	int listen_fd;
	uint16_t port, to_port;
	size_t left_bytes; /* of the server's, that are still let through */
	pthread_t thread;
};

static bool pass(int from, int to, size_t *left)
{
	char buf[16384];
	size_t most = left && *left < sizeof(buf) ? *left : sizeof(buf);
	ssize_t n = most ? recv(from, buf, most, 0) : 0;

	if (n <= 0 || send(to, buf, (size_t)n, MSG_NOSIGNAL) != n)
		return false;
	if (left)
		*left -= (size_t)n;
	return true;
}

static void *cutter_main(void *arg)
{
	struct cutter *cutter = arg;
	int near = accept(cutter->listen_fd, NULL, NULL);
	int far = raw_dial_tcp(cutter->to_port);
	struct pollfd fds[2] = {{near, POLLIN, 0}, {far, POLLIN, 0}};
	bool more = true;

	while (more && poll(fds, 2, PATIENCE) > 0) {
		if (fds[0].revents)
			more = pass(near, far, NULL);
		if (more && fds[1].revents)
			more = pass(far, near, &cutter->left_bytes);
	}
	(void)close(near);
	(void)close(far);
	return NULL;
}

static void cutter_start(struct cutter *cutter, size_t bytes)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(in);

	*cutter = (struct cutter){.to_port = fake_daemon_port(fake),
				  .left_bytes = bytes};
	cutter->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		0, bind(cutter->listen_fd, (struct sockaddr *)&in, sizeof(in)));
	assert_int_equal(0, listen(cutter->listen_fd, 1));
	assert_int_equal(0, getsockname(cutter->listen_fd,
					(struct sockaddr *)&in, &len));
	cutter->port = ntohs(in.sin_port);
	assert_int_equal(
		0, pthread_create(&cutter->thread, NULL, cutter_main, cutter));
}

static void cutter_end(struct cutter *cutter)
{
	(void)pthread_join(cutter->thread, NULL);
	(void)close(cutter->listen_fd);
}

/* Read eight pages.  Returns how many were brought before the cut. */
static unsigned read_pages(struct transport *transport)
{
	static uint64_t bufs[8][PAGE_BYTES / 8];
	struct transport_read reads[8];
	struct transport_done done[8];
	unsigned nr = 0, nr_good = 0;

	for (unsigned i = 0; i < 8; i++)
		reads[i] = (struct transport_read){
			SOURCE_MEMORY, PAGE_BYTES, RADDR + i * PAGE_BYTES,
			bufs[i],       i,	   1};
	assert_int_equal(8, transport->ops->submit(transport, reads, 8));
	while (nr < 8) {
		int got = transport->ops->reap(transport, done, 8, PATIENCE);

		assert_true(got > 0);
		nr += (unsigned)got;
		for (int i = 0; i < got; i++) {
			unsigned at = (unsigned)done[i].token;

			assert_true(!done[i].result || done[i].result == -EIO);
			if (done[i].result)
				continue;
			nr_good++;
			for (unsigned w = 0; w < PAGE_BYTES / 8; w++)
				assert_int_equal(
					fake_word(SOURCE_MEMORY,
						  reads[at].raddr + w * 8),
					bufs[at][w]);
		}
	}
	return nr_good;
}

/* Wherever it is cut, what was brought is right, and the rest says so. */
static void cut_wire_is_noticed_wherever_it_is(void **state)
{
	static const size_t cuts[] = {0,
				      3,
				      100,
				      200,
				      260,
				      400,
				      100000,
				      FAKE_DESC_BYTES,
				      FAKE_DESC_BYTES + 10000,
				      FAKE_DESC_BYTES + 20000,
				      FAKE_DESC_BYTES + 100000};
	unsigned nr_good = 0;

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct tcp_address address = address_by(keys, "alice");
		struct transport *transport = NULL;
		struct tcp_opened opened = {0};
		struct cutter cutter;
		int r;

		cutter_start(&cutter, cuts[i]);
		address.port = cutter.port;
		r = tcp_open(&address, &image, &transport, &opened, why);
		if (!r) {
			nr_good += read_pages(transport);
			transport->ops->close(transport);
		} else {
			assert_true(cuts[i] <= FAKE_DESC_BYTES);
			assert_int_equal(-ECONNRESET, r);
		}
		free(opened.desc);
		cutter_end(&cutter);
	}
	assert_in_range(nr_good, 8, 16);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
		TEST(key_says_who_is_there),
		TEST(who_has_no_key_is_told_so_and_no_more),
		TEST(file_is_read_for_each_client),
		TEST(plain_clients_are_for_others_to_judge),
		TEST(server_without_keys_says_so),
		TEST(slow_strangers_are_dropped_and_hold_up_nobody),
		TEST(noise_in_the_handshake_ends_it),
		TEST(nobody_gets_back_to_plain),
		TEST(half_closed_is_closed),
		TEST(cut_wire_is_noticed_wherever_it_is),
	};

	if (!tls_is_built) {
		print_message("skip: built without GnuTLS\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
