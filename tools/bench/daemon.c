/* SPDX-License-Identifier: MIT */
#include "tools/bench/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"
#include "rdmafetch/tcp.h"

#define READY_FD   3
#define TIMEOUT_MS 30000
#define LEASE_S	   (24 * 3600) /* longer than any run */

struct daemon {
	pid_t pid;
	uint16_t port;
	struct tcp_control *control;
	struct wire_image image; /* name "" for none */
};

/* What the kernel gave, and takes back. */
int daemon_free_port(uint16_t *ret_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int sock CLEANUP_CLOSE = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock < 0 || bind(sock, (void *)&address, len) < 0 ||
	    getsockname(sock, (void *)&address, &len) < 0)
		return -errno;
	*ret_port = ntohs(address.sin_port);
	return 0;
}

/* The words of mitosisd's command line. */
struct words {
	char place[PARSE_HOST_MAX + 16], rdma[PARSE_HOST_MAX + 32], ready_fd[8];
	char *argv[18];
};

static void put_words(struct words *words, const struct daemon_ways *ways,
		      uint16_t port, const char *program,
		      const char *socket_path)
{
	const char *v6 = strchr(ways->host, ':');
	char **argv = words->argv;

	(void)snprintf(words->place, sizeof(words->place), "%s%s%s:%u",
		       v6 ? "[" : "", ways->host, v6 ? "]" : "", port);
	(void)snprintf(words->rdma, sizeof(words->rdma), "--rdma=%s",
		       words->place);
	(void)snprintf(words->ready_fd, sizeof(words->ready_fd), "%d",
		       READY_FD);
	*argv++ = (char *)program;
	*argv++ = "--quiet";
	*argv++ = "--socket";
	*argv++ = (char *)socket_path;
	*argv++ = "--ready-fd";
	*argv++ = words->ready_fd;
	*argv++ = "--listen";
	*argv++ = ways->rdma ? "none" : words->place;
	if (ways->rdma)
		*argv++ = words->rdma;
	if (ways->sec) {
		*argv++ = "--sec";
		*argv++ = (char *)ways->sec;
	}
	if (ways->munge_socket) {
		*argv++ = "--munge-socket";
		*argv++ = (char *)ways->munge_socket;
	}
	if (ways->psk_file) {
		*argv++ = "--psk-file";
		*argv++ = (char *)ways->psk_file;
	}
	*argv = NULL;
}

static int start(struct daemon *daemon, const char *program,
		 const char *socket_path, const struct daemon_ways *ways)
{
	struct words words;
	char byte;
	posix_spawn_file_actions_t actions;
	int ready[2], error;

	put_words(&words, ways, daemon->port, program, socket_path);
	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, ready[1], READY_FD);
	error = posix_spawn(&daemon->pid, program, &actions, NULL, words.argv,
			    environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(ready[1]);
	if (!error && read(ready[0], &byte, 1) != 1)
		error = ECONNREFUSED;
	(void)close(ready[0]);
	return -error;
}

static int connect_to(struct daemon *daemon, const char *socket_path)
{
	struct tcp_address address = {
		.is_unix = true,
		.timeout_ms = TIMEOUT_MS,
	};

	if (strlen(socket_path) >= sizeof(address.host))
		return -ENAMETOOLONG;
	strcpy(address.host, socket_path);
	return tcp_control_open(&address, &daemon->control);
}

static void cleanup_daemon(struct daemon **daemon)
{
	daemon_close(*daemon);
}

int daemon_open(const char *program, const char *dir,
		const struct daemon_ways *ways, struct daemon **ret)
{
	static const struct daemon_ways loopback = {.host = "127.0.0.1"};
	struct daemon *daemon CLEANUP(cleanup_daemon) =
		calloc(1, sizeof(*daemon));
	char socket_path[PATH_MAX];
	int error;

	if (!daemon)
		return -ENOMEM;
	(void)snprintf(socket_path, sizeof(socket_path), "%s/socket", dir);
	error = daemon_free_port(&daemon->port);
	if (!error)
		error = start(daemon, program, socket_path,
			      ways ? ways : &loopback);
	if (!error)
		error = connect_to(daemon, socket_path);
	if (error) {
		say_error("starting %s: %s", program, strerror(-error));
		return error;
	}
	*ret = steal_ptr(&daemon);
	return 0;
}

uint16_t daemon_port(const struct daemon *daemon)
{
	return daemon->port;
}

int daemon_prepare(struct daemon *daemon, pid_t pid, const char *name)
{
	struct wire_prepare prepare = {.pid = pid, .lease_s = LEASE_S};
	uint8_t request[WIRE_REQUEST_MAX];
	char why[WIRE_WHY_MAX + 1];
	void *reply CLEANUP_FREE = NULL;
	size_t reply_bytes = 0;
	int error;

	strcpy(prepare.name, name);
	error = tcp_control_call(daemon->control, WIRE_PREPARE, request,
				 wire_put_prepare(request, &prepare), &reply,
				 &reply_bytes, why);
	if (!error)
		error = wire_get_image(reply, reply_bytes, &daemon->image);
	if (error)
		say_error("preparing an image of %d: %s", pid,
			  *why ? why : strerror(-error));
	return error;
}

const struct wire_image *daemon_image(const struct daemon *daemon)
{
	return &daemon->image;
}

int daemon_release(struct daemon *daemon)
{
	uint8_t request[WIRE_REQUEST_MAX];
	char why[WIRE_WHY_MAX + 1];
	int error;

	if (!daemon->image.name[0])
		return 0;
	error = tcp_control_call(daemon->control, WIRE_RELEASE, request,
				 wire_put_image(request, &daemon->image), NULL,
				 NULL, why);
	daemon->image.name[0] = '\0';
	if (error)
		say_error("releasing an image: %s",
			  *why ? why : strerror(-error));
	return error;
}

void daemon_close(struct daemon *daemon)
{
	if (!daemon)
		return;
	if (daemon->control)
		tcp_control_close(daemon->control);
	if (daemon->pid > 0) {
		(void)kill(daemon->pid, SIGTERM);
		(void)waitpid(daemon->pid, NULL, 0);
	}
	free(daemon);
}
