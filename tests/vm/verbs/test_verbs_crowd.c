/* SPDX-License-Identifier: MIT */
/*
 * test_verbs_crowd.c - the verbs server and clients in processes of their own
 *
 * Without arguments it tests; with some it is one of the clients, or a server
 * for one client that a script lets vanish.
 */
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

#include "rig.h"

#define NR_CLIENTS 8

static struct fake_daemon *fake;

static int start(void **state)
{
	fake = rig_start(NULL);
	return 0;
}

static int stop(void **state)
{
	fake_daemon_stop(fake);
	return 0;
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
	rig_ask_open(raw, 5, "image");
	(void)raw_get(raw, &body);
	for (uint32_t id = 10; id < 40; id++)
		raw_ask_read(raw, id, 0, rig_read_of(0, 65536));
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
		rig_check_read(raw, id, id * 4096ull, id % 5 ? 4096 : 65536);
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
	rig_await(fake, 0, 0);
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
	rig_await(fake, 0, 0);
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

/* Until one has said hello, or has left again already: that may be quick. */
static void await_guest(void)
{
	struct serve_stats stats;

	do {
		(void)usleep(10000);
		stats = fake_daemon_rdma_stats(fake);
	} while (!stats.accepted || stats.strangers);
}

/* Serve until a client has come and, whatever becomes of its host, gone. */
static int serve_one(void)
{
	struct serve_options options = serve_defaults;

	/* Where the device does not give up, the server does. */
	options.stall_ms = 10000;
	fake = rig_start(&options);
	(void)printf("%u\n", fake_daemon_rdma_port(fake));
	(void)fflush(stdout);
	await_guest();
	(void)puts("joined");
	(void)fflush(stdout);
	rig_await(fake, 0, 0);
	(void)puts("left");
	fake_daemon_stop(fake);
	return 0;
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		CASE(killed_client_leaves_nothing),
		CASE(many_clients_at_once),
	};

	if (argc == 2 && !strcmp(argv[1], "serve-one"))
		return serve_one();
	if (argc == 3)
		return client(argv[1], (uint16_t)atoi(argv[2]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
