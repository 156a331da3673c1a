/* SPDX-License-Identifier: MIT */
/*
 * xfer_server.c - a parent, its image in a mitosisd, and the rivals' far ends
 *
 * A thread for each connection, as plain as can be: it blocks.  Whatever they
 * still do when the role ends, ends with the process.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"
#include "tools/bench/daemon.h"
#include "tools/bench/host.h"
#include "tools/bench/peer.h"
#include "tools/bench/xfer.h"
#include "tools/bench/xfer_link.h"
#include "tools/bench/xfer_source.h"

#define IMAGE_NAME "bench"
#define MS_PER_S   1000ull
#define NS_PER_MS  1000000ull

struct xfer_server {
	const struct xfer_options *options;
	struct peer parent;
	struct daemon *daemon;
	int listen_fd, stop_fd;
	struct xfer_offer offer;
};

struct guest {
	int fd;
	const struct xfer_offer *offer;
};

/* ---- one connection ---- */

/* The far end of a perftest lives while its asker does. */
static void serve_perftest(int fd, const struct perftest_plan *plan)
{
	char line[XFER_LINE_MAX];
	int out CLEANUP_CLOSE = -1;
	uint16_t port;
	pid_t pid;

	if (daemon_free_port(&port) ||
	    perftest_start(plan, NULL, port, &pid, &out))
		return;
	(void)snprintf(line, sizeof(line), "perftest %u", port);
	if (!xfer_link_tell(fd, line)) {
		struct pollfd gone = {.fd = fd, .events = POLLIN};

		(void)poll(&gone, 1, -1);
	}
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, NULL, 0);
}

static void serve_guest(const struct guest *guest)
{
	char line[XFER_LINE_MAX];
	struct perftest_plan plan;
	enum xfer_ask ask;

	if (xfer_link_hear(guest->fd, line) || xfer_get_ask(line, &ask, &plan))
		return;
	switch (ask) {
	case XFER_OFFER:
		xfer_put_offer(line, guest->offer);
		(void)xfer_link_tell(guest->fd, line);
		break;
	case XFER_ECHO:
		if (!xfer_link_tell(guest->fd, "echo"))
			(void)flow_echo_serve(guest->fd);
		break;
	case XFER_PERFTEST:
		serve_perftest(guest->fd, &plan);
		break;
	}
}

static void *guest_main(void *arg)
{
	struct guest *guest = arg;
	int one = 1;

	(void)setsockopt(guest->fd, IPPROTO_TCP, TCP_NODELAY, &one,
			 sizeof(one));
	serve_guest(guest);
	(void)close(guest->fd);
	free(guest);
	return NULL;
}

static void accept_guest(const struct xfer_server *server)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	pthread_t thread;

	if (!guest)
		return;
	guest->offer = &server->offer;
	guest->fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (guest->fd < 0) {
		free(guest);
	} else if (pthread_create(&thread, NULL, guest_main, guest)) {
		(void)close(guest->fd);
		free(guest);
	} else {
		(void)pthread_detach(thread);
	}
}

/* ---- the role ---- */

static int block_signals(struct xfer_server *server)
{
	sigset_t signals;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	server->stop_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return server->stop_fd < 0 ? -errno : 0;
}

static int start_daemon(struct xfer_server *server, const char *dir)
{
	const struct xfer_options *options = server->options;
	char *program CLEANUP_FREE = host_program("mitosisd");
	const struct daemon_ways ways = {
		.host = options->server.host,
		.rdma = options->proto == PLACE_RDMA,
		.sec = options->sec,
		.munge_socket = options->munge_socket,
		.psk_file = options->psk_file,
	};
	int error = program ? daemon_open(program, dir, &ways, &server->daemon)
			    : -ENOENT;

	if (!error)
		error = daemon_prepare(server->daemon, server->parent.pid,
				       IMAGE_NAME);
	if (error)
		return error;
	server->offer = (struct xfer_offer){
		.image = *daemon_image(server->daemon),
		.tcp_port = daemon_port(server->daemon),
		.rdma_port = ways.rdma ? daemon_port(server->daemon) : 0,
		.mib = options->mib,
	};
	return 0;
}

static int open_all(struct xfer_server *server, const char *dir)
{
	const struct xfer_options *options = server->options;
	int error = place_listen(&options->server, &server->listen_fd);

	if (error) {
		say_error("listening on %s:%u: %s", options->server.host,
			  options->server.port, strerror(-error));
		return error;
	}
	error = xfer_parent(options->mib, &server->parent);
	if (!error)
		error = start_daemon(server, dir);
	return error;
}

static int announce(const struct xfer_server *server, int ready_fd)
{
	char where[PLACE_TEXT_MAX], line[PLACE_TEXT_MAX + 16];
	int len;

	place_text(server->listen_fd, where);
	len = snprintf(line, sizeof(line), "ready %s\n", where);
	return io_write_all(ready_fd, line, (size_t)len);
}

static void run(struct xfer_server *server)
{
	uint64_t end_ms = io_monotonic_ns() / NS_PER_MS +
			  server->options->running_s * MS_PER_S;
	struct pollfd fds[2] = {{server->stop_fd, POLLIN, 0},
				{server->listen_fd, POLLIN, 0}};

	for (;;) {
		uint64_t now_ms = io_monotonic_ns() / NS_PER_MS;

		if (now_ms >= end_ms ||
		    poll(fds, 2, (int)(end_ms - now_ms)) <= 0 || fds[0].revents)
			return;
		accept_guest(server);
	}
}

static void close_all(struct xfer_server *server)
{
	daemon_close(server->daemon);
	peer_close(&server->parent);
	if (server->listen_fd >= 0)
		(void)close(server->listen_fd);
	if (server->stop_fd >= 0)
		(void)close(server->stop_fd);
}

int xfer_serve(const struct xfer_options *options, int ready_fd)
{
	struct xfer_server server = {
		.options = options,
		.parent = PEER_NONE,
		.listen_fd = -1,
		.stop_fd = -1,
	};
	char dir[] = "/tmp/mitosis-bench.XXXXXX";
	int error = block_signals(&server);

	if (error || !mkdtemp(dir)) {
		error = error ? error : -errno;
		say_error("cannot start: %s", strerror(-error));
	} else {
		error = open_all(&server, dir);
		if (!error)
			error = announce(&server, ready_fd);
		if (!error)
			run(&server);
	}
	close_all(&server);
	(void)rmdir(dir);
	return error;
}
