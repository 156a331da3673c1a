/* SPDX-License-Identifier: MIT */
/*
 * test_verbs_serve.c - the verbs server against good and bad clients
 *
 * Runs where 10.9.0.1 is the address of an RDMA device: in the host A of the
 * virtual machine.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/source.h"
#include "fake_daemon.h"
#include "raw_verbs.h"

#define ADDRESS	   "10.9.0.1"
#define HANDLE	   7
#define WINDOW	   64
#define FAR_BYTES  (1u << 20)
#define NR_CLIENTS 8

static struct fake_daemon *fake;

static int start_with(struct serve_options options)
{
	fake = fake_daemon_start_rdma(&options, ADDRESS);
	return 0;
}

static int start(void **state)
{
	return start_with(serve_defaults);
}

static int stop(void **state)
{
	fake_daemon_stop(fake);
	return 0;
}

static struct raw_verbs *dial(void)
{
	return raw_dial(fake_daemon_rdma_port(fake));
}

static struct raw_verbs *join(void)
{
	struct raw_verbs *raw = dial();

	raw_hello(raw);
	return raw;
}

/* Wait until the server counts @clients and @strangers. */
static void await(uint64_t clients, uint64_t strangers)
{
	struct serve_stats stats;

	for (int i = 0; i < RAW_TIMEOUT_S * 10; i++) {
		stats = fake_daemon_rdma_stats(fake);
		if (stats.clients == clients && stats.strangers == strangers)
			return;
		(void)usleep(100000);
	}
	fail_msg("%lu clients and %lu strangers, not %lu and %lu",
		 stats.clients, stats.strangers, clients, strangers);
}

static void assert_pages(const uint8_t *bytes, uint64_t raddr, uint32_t len)
{
	for (uint32_t at = 0; at < len; at += 8) {
		uint64_t word = fake_word(SOURCE_MEMORY, raddr + at);

		assert_memory_equal(bytes + at, &word, 8);
	}
}

static struct wire_read read_of(uint64_t raddr, uint32_t len)
{
	return (struct wire_read){.handle = HANDLE,
				  .object = SOURCE_MEMORY,
				  .raddr = raddr,
				  .len_bytes = len};
}

/* Ask for pages as a message and check them, inline or FAR. */
static void check_read(struct raw_verbs *raw, uint32_t id, uint64_t raddr,
		       uint32_t len)
{
	struct wire_header reply;
	const uint8_t *body;
	uint32_t got = 0;

	raw_ask_read(raw, id, id % 2 ? WIRE_URGENT : 0, read_of(raddr, len));
	reply = raw_get(raw, &body);
	assert_int_equal(reply.type, WIRE_READ);
	assert_int_equal(reply.id, id);
	assert_int_equal(reply.status, 0);
	if (len > WIRE_REQUEST_MAX) {
		body = raw_take(raw, &reply, body, &got);
	} else {
		assert_false(reply.flags & WIRE_FAR);
		got = reply.body_bytes;
	}
	assert_int_equal(got, len);
	assert_pages(body, raddr, len);
}

static void nil_is_answered_with_nothing(void **state)
{
	struct raw_verbs *raw = join();
	uint8_t body[WIRE_REQUEST_MAX] = {0};
	struct wire_header reply;
	const uint8_t *got;

	for (uint32_t id = 10; id < 300; id++) {
		raw_ask(raw, WIRE_NIL, id, body, id % 3 ? 0 : sizeof(body));
		reply = raw_get(raw, &got);
		assert_int_equal(reply.type, WIRE_NIL);
		assert_int_equal(reply.id, id);
		assert_int_equal(reply.status, 0);
		assert_int_equal(reply.body_bytes, 0);
	}
	raw_close(raw);
	await(0, 0);
}

/* As many as a client may have under way, again and again. */
static void whole_window_is_answered(void **state)
{
	struct raw_verbs *raw = join();
	struct wire_header reply;
	const uint8_t *body;

	for (uint32_t round = 0; round < 20; round++) {
		bool seen[WINDOW] = {false};

		for (uint32_t i = 0; i < WINDOW; i++)
			if (i % 4)
				raw_ask(raw, WIRE_NIL, i, NULL, 0);
			else
				raw_ask_read(raw, i, 0,
					     read_of(i * 4096ull, 4096));
		for (uint32_t i = 0; i < WINDOW; i++) {
			reply = raw_get(raw, &body);
			assert_true(reply.id < WINDOW && !seen[reply.id]);
			seen[reply.id] = true;
			if (reply.id % 4)
				continue;
			assert_int_equal(reply.body_bytes, 4096);
			assert_pages(body, reply.id * 4096ull, 4096);
		}
	}
	raw_close(raw);
}

static void ask_open(struct raw_verbs *raw, uint32_t id, const char *name)
{
	struct wire_image image = {{0}};
	uint8_t body[WIRE_REQUEST_MAX];

	(void)snprintf(image.name, sizeof(image.name), "%s", name);
	raw_ask(raw, WIRE_OPEN, id, body,
		(uint32_t)wire_put_image(body, &image));
}

static void descriptor_comes_far_and_is_gone_once_taken(void **state)
{
	struct raw_verbs *raw = join();
	struct wire_header reply;
	struct wire_far far;
	const uint8_t *body;
	uint32_t len;

	ask_open(raw, 5, "image");
	reply = raw_get(raw, &body);
	assert_int_equal(reply.status, 0);
	assert_int_equal(wire_get_far(body, reply.body_bytes, &far), 0);
	body = raw_take(raw, &reply, body, &len);
	assert_int_equal(len, FAKE_DESC_BYTES + 8);
	assert_int_equal(body[0], HANDLE);
	for (uint32_t at = 0; at < FAKE_DESC_BYTES; at++)
		assert_int_equal(body[8 + at], fake_desc_byte(at));
	/* The key dies with TAKEN; wait until that was served. */
	raw_ask(raw, WIRE_NIL, 6, NULL, 0);
	(void)raw_get(raw, &body);
	assert_int_not_equal(raw_fetch(raw, &far, &body), 0);
	raw_close(raw);
	await(0, 0);
}

static void refusals_have_words(void **state)
{
	struct raw_verbs *raw = join();
	struct wire_read read = read_of(4096, 4096);
	struct wire_header reply;
	const uint8_t *body;

	ask_open(raw, 5, "nobody");
	reply = raw_get(raw, &body);
	assert_int_equal(reply.status, -ENOENT);
	assert_string_equal((const char *)body, "no image is called nobody");
	raw_ask_read(raw, 6, 0, read_of(FAKE_BAD_RADDR, 4096));
	assert_int_equal(raw_get(raw, &body).status, -EIO);
	raw_ask_read(raw, 7, 0, read_of(FAKE_BAD_RADDR, 65536));
	reply = raw_get(raw, &body);
	assert_int_equal(reply.status, -EIO);
	assert_int_equal(reply.flags, WIRE_REPLY);
	read.handle = 3;
	raw_ask_read(raw, 8, 0, read);
	assert_int_equal(raw_get(raw, &body).status, -EBADF);
	assert_int_equal(fake_daemon_rdma_stats(fake).failed_reads, 3);
	check_read(raw, 9, 8192, 4096);
	raw_close(raw);
}

static void pages_come_inline_or_far(void **state)
{
	struct raw_verbs *raw = join();

	check_read(raw, 2, 0x10000, 4096);
	check_read(raw, 3, 0x20000, 8192);
	check_read(raw, 4, 0x40000, FAR_BYTES);
	for (uint32_t id = 5; id < 40; id++)
		check_read(raw, id, id * 65536ull, 65536);
	raw_close(raw);
}

/* A client that does not say TAKEN gets what fits, the rest when it does. */
static void reads_wait_for_what_is_lent(void **state)
{
	struct raw_verbs *raw = join(), *other;
	struct wire_header reply[4];
	struct wire_far far;
	uint8_t bodies[4][64];
	const uint8_t *body;
	uint32_t len;

	for (uint32_t id = 0; id < 6; id++)
		raw_ask_read(raw, id, 0,
			     read_of(id * (uint64_t)FAR_BYTES, FAR_BYTES));
	for (unsigned i = 0; i < 4; i++) {
		reply[i] = raw_get(raw, &body);
		memcpy(bodies[i], body, reply[i].body_bytes);
	}
	/* Others are served, and messages of this client too. */
	other = join();
	check_read(other, 9, 0x70000, 65536);
	raw_close(other);
	raw_ask(raw, WIRE_NIL, 77, NULL, 0);
	assert_int_equal(raw_get(raw, &body).id, 77);
	for (unsigned i = 0; i < 4; i++) {
		body = raw_take(raw, &reply[i], bodies[i], &len);
		assert_int_equal(len, FAR_BYTES);
		assert_pages(body, reply[i].id * (uint64_t)FAR_BYTES, len);
	}
	for (unsigned i = 0; i < 2; i++) {
		reply[i] = raw_get(raw, &body);
		assert_int_equal(wire_get_far(body, 16, &far), 0);
		body = raw_take(raw, &reply[i], body, &len);
		assert_pages(body, reply[i].id * (uint64_t)FAR_BYTES, len);
	}
	raw_close(raw);
	await(0, 0);
}

static void keys_are_worth_nothing_to_others(void **state)
{
	struct raw_verbs *raw = join(), *thief = join(), *writer;
	struct wire_header reply;
	struct wire_far far;
	const uint8_t *body, *bytes;
	uint8_t copy[64];

	raw_ask_read(raw, 5, 0, read_of(0, 65536));
	reply = raw_get(raw, &body);
	memcpy(copy, body, 16);
	assert_int_equal(wire_get_far(body, reply.body_bytes, &far), 0);
	assert_int_not_equal(raw_fetch(thief, &far, &bytes), 0);
	raw_close(thief);
	/* Past its end there is nothing, and it is for reading only. */
	assert_int_equal(raw_fetch(raw, &far, &bytes), 0);
	assert_pages(bytes, 0, 65536);
	assert_int_not_equal(raw_scribble(raw, &far), 0);
	raw_close(raw);
	await(0, 0);
	writer = join();
	ask_open(writer, 5, "image");
	reply = raw_get(writer, &body);
	assert_int_equal(wire_get_far(body, reply.body_bytes, &far), 0);
	far.raddr += far.len_bytes - 8;
	far.len_bytes = 9;
	assert_int_not_equal(raw_fetch(writer, &far, &bytes), 0);
	raw_close(writer);
	await(0, 0);
}

static void wrong_beginnings_end_it(void **state)
{
	struct raw_verbs *raw = dial();
	uint8_t junk[100];

	raw_ask(raw, WIRE_NIL, 1, NULL, 0);
	raw_assert_dropped(raw);
	raw = dial();
	raw_ask_read(raw, 1, 0, read_of(0, 4096));
	raw_assert_dropped(raw);
	raw = dial();
	memset(junk, 0x5a, sizeof(junk));
	(void)raw_send(raw, junk, sizeof(junk));
	raw_assert_dropped(raw);
	raw = dial();
	(void)raw_send(raw, junk, 3);
	raw_assert_dropped(raw);
	await(0, 0);
	assert_int_equal(fake_daemon_rdma_stats(fake).broken, 4);
}

static void broken_messages_end_it(void **state)
{
	const struct wire_header lies = {
		.type = WIRE_NIL, .id = 2, .body_bytes = 40};
	struct raw_verbs *bystander = join(), *raw;
	uint8_t message[RAW_BYTES] = {0};
	uint8_t taken[WIRE_REQUEST_MAX];

	raw = join();
	wire_put_header(message, &lies);
	(void)raw_send(raw, message, WIRE_HEADER_BYTES + 39);
	raw_assert_dropped(raw);
	raw = join();
	(void)raw_send(raw, message, RAW_BYTES); /* no buffer is so long */
	raw_assert_dropped(raw);
	raw = join();
	raw_ask(raw, WIRE_TAKEN, 3, taken,
		(uint32_t)wire_put_taken(taken, 99)); /* nothing is lent */
	raw_assert_dropped(raw);
	raw = join();
	raw_ask(raw, WIRE_HELLO, 3, NULL, 0);
	raw_assert_dropped(raw);
	check_read(bystander, 5, 0x3000, 8192);
	raw_close(bystander);
	await(0, 0);
}

static void silence_is_not_waited_for(void **state)
{
	struct serve_options options = serve_defaults;
	struct raw_verbs *raw;

	fake_daemon_stop(fake);
	options.hello_ms = 300;
	(void)start_with(options);
	raw = dial();
	await(0, 1);
	raw_assert_dropped(raw);
	await(0, 0);
	assert_int_equal(fake_daemon_rdma_stats(fake).broken, 1);
}

static void what_is_never_taken_ends_it(void **state)
{
	struct serve_options options = serve_defaults;
	struct raw_verbs *raw;
	const uint8_t *body;

	fake_daemon_stop(fake);
	options.stall_ms = 500;
	(void)start_with(options);
	raw = join();
	ask_open(raw, 5, "image");
	(void)raw_get(raw, &body);
	raw_assert_dropped(raw);
	await(0, 0);
}

static void one_client_too_many_is_told_so(void **state)
{
	struct serve_options options = serve_defaults;
	struct raw_verbs *first, *second;
	const struct wire_hello hello = {.version = WIRE_VERSION};
	uint8_t out[WIRE_REQUEST_MAX];
	struct wire_header reply;
	const uint8_t *body;

	fake_daemon_stop(fake);
	options.clients_max = 1;
	options.hello_ms = 500; /* and then to hang up */
	(void)start_with(options);
	first = join();
	second = dial();
	raw_ask(second, WIRE_HELLO, 4, out,
		(uint32_t)wire_put_hello(out, &hello));
	reply = raw_get(second, &body);
	assert_int_equal(reply.status, -EUSERS);
	assert_non_null(strstr((const char *)body, "--max-clients"));
	raw_assert_dropped(second);
	check_read(first, 5, 0, 4096);
	raw_close(first);
	await(0, 0);
}

static void answers_may_come_late(void **state)
{
	struct raw_verbs *raw = join(), *gone = join();
	const struct wire_prepare prepare = {.pid = 1};
	uint8_t out[WIRE_REQUEST_MAX];
	uint32_t len = (uint32_t)wire_put_prepare(out, &prepare);
	struct wire_header reply;
	const uint8_t *body;

	raw_ask(gone, WIRE_PREPARE, 8, out, len);
	raw_ask(raw, WIRE_PREPARE, 9, out, len);
	raw_ask(raw, WIRE_NIL, 10, NULL, 0);
	assert_int_equal(raw_get(raw, &body).id, 10);
	raw_close(gone);
	await(1, 0);
	assert_int_equal(fake_daemon_answer(fake), 1);
	reply = raw_get(raw, &body);
	assert_int_equal(reply.id, 9);
	assert_int_equal(reply.type, WIRE_PREPARE);
	assert_int_equal(reply.body_bytes, 2);
	raw_close(raw);
}

static void gone_image_is_gone_for_all_that_follows(void **state)
{
	struct raw_verbs *raw = join();
	struct wire_header reply;
	bool gone = false;
	const uint8_t *body;

	for (uint32_t id = 0; id < 48; id++)
		raw_ask_read(raw, id, 0, read_of(id * 4096ull, 4096));
	fake_daemon_withdraw(fake);
	for (uint32_t id = 48; id < WINDOW; id++)
		raw_ask_read(raw, id, 0, read_of(id * 4096ull, 4096));
	for (uint32_t i = 0; i < WINDOW; i++) {
		reply = raw_get(raw, &body);
		if (reply.status) {
			assert_int_equal(reply.status, -ESTALE);
			gone = true;
		} else {
			assert_false(gone);
			assert_true(reply.id < 48);
			assert_pages(body, reply.id * 4096ull, 4096);
		}
	}
	assert_true(gone);
	raw_close(raw);
}

/*
 * A client in a process of its own, which says a byte on its standard output
 * when it is where it should be.  It is not only forked: what a device knows of
 * a process lasts as long as somebody has its descriptors.
 */
static pid_t start_client(const char *what, int *ret_fd)
{
	int fds[2];
	char port[16];
	pid_t child;

	(void)snprintf(port, sizeof(port), "%u", fake_daemon_rdma_port(fake));
	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)close_range(STDERR_FILENO + 1, ~0u, 0);
		(void)execl("/proc/self/exe", "client", what, port, NULL);
		_exit(1);
	}
	(void)close(fds[1]);
	*ret_fd = fds[0];
	return child;
}

/* All under way at once, and nothing taken. */
static int greedy_client(uint16_t port)
{
	struct raw_verbs *raw = raw_dial(port);
	const uint8_t *body;

	raw_hello(raw);
	ask_open(raw, 5, "image");
	(void)raw_get(raw, &body);
	for (uint32_t id = 10; id < 40; id++)
		raw_ask_read(raw, id, 0, read_of(0, 65536));
	(void)write(STDOUT_FILENO, "x", 1);
	(void)pause();
	return 1;
}

static int busy_client(uint16_t port)
{
	struct raw_verbs *raw = raw_dial(port);
	const uint8_t *body;

	raw_hello(raw);
	for (uint32_t id = 0; id < 40; id++) {
		check_read(raw, id, id * 4096ull, id % 5 ? 4096 : 65536);
		raw_ask(raw, WIRE_NIL, id, NULL, 0);
		assert_int_equal(raw_get(raw, &body).id, id);
	}
	raw_close(raw);
	return 0;
}

static void killed_client_leaves_nothing(void **state)
{
	int fd, status;
	char byte;
	pid_t child = start_client("greedy", &fd);

	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(fake_daemon_rdma_stats(fake).clients, 1);
	(void)kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	await(0, 0);
	(void)close(fd);
}

static void many_clients_at_once(void **state)
{
	pid_t children[NR_CLIENTS];
	int fds[NR_CLIENTS], status;

	for (unsigned i = 0; i < NR_CLIENTS; i++)
		children[i] = start_client("busy", &fds[i]);
	for (unsigned i = 0; i < NR_CLIENTS; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
		(void)close(fds[i]);
	}
	await(0, 0);
	assert_int_equal(fake_daemon_rdma_stats(fake).accepted, NR_CLIENTS);
}

/* A client that asks nothing more and has no end of its own. */
static int idle_client(uint16_t port)
{
	raw_hello(raw_dial(port));
	(void)write(STDOUT_FILENO, "x", 1);
	(void)pause();
	return 1;
}

static int client(const char *what, uint16_t port)
{
	if (!strcmp(what, "greedy"))
		return greedy_client(port);
	return strcmp(what, "idle") ? busy_client(port) : idle_client(port);
}

/* Serve until a client has come and, whatever becomes of its host, gone. */
static int serve_one(void)
{
	struct serve_options options = serve_defaults;

	/* Where the device does not give up, the server does. */
	options.stall_ms = 10000;
	(void)start_with(options);
	(void)printf("%u\n", fake_daemon_rdma_port(fake));
	(void)fflush(stdout);
	await(1, 0);
	(void)puts("joined");
	(void)fflush(stdout);
	await(0, 0);
	(void)puts("left");
	return stop(NULL);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		CASE(nil_is_answered_with_nothing),
		CASE(whole_window_is_answered),
		CASE(descriptor_comes_far_and_is_gone_once_taken),
		CASE(refusals_have_words),
		CASE(pages_come_inline_or_far),
		CASE(reads_wait_for_what_is_lent),
		CASE(keys_are_worth_nothing_to_others),
		CASE(wrong_beginnings_end_it),
		CASE(broken_messages_end_it),
		CASE(silence_is_not_waited_for),
		CASE(what_is_never_taken_ends_it),
		CASE(one_client_too_many_is_told_so),
		CASE(answers_may_come_late),
		CASE(gone_image_is_gone_for_all_that_follows),
		CASE(killed_client_leaves_nothing),
		CASE(many_clients_at_once),
	};

	if (argc == 2 && !strcmp(argv[1], "serve-one"))
		return serve_one();
	if (argc == 3)
		return client(argv[1], (uint16_t)atoi(argv[2]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
