/* SPDX-License-Identifier: MIT */
#include "tools/bench/serving.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/say.h"
#include "loader/ask.h"
#include "loader/pids.h"

static int failed(const char *what, int error)
{
	say_error("%s: %s", what, strerror(-error));
	return error;
}

static uint64_t clock_ns(pid_t pid)
{
	struct timespec used = {0};
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) == 0)
		(void)clock_gettime(clock, &used);
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

int serving_start(struct bench *bench, unsigned max, struct serving *ret)
{
	char *program CLEANUP_FREE = host_program("mitosis-load");
	struct peer server = PEER_NONE;
	struct serving serving;
	char serve[128], most[32], memory[32];
	char *argv[] = {
		program, serve, most, memory, (char *)host_image(bench->host),
		NULL};
	int error;

	(void)snprintf(serving.path, sizeof(serving.path), "%s/serve.sock",
		       bench->dir);
	(void)snprintf(serve, sizeof(serve), "--serve=%s", serving.path);
	(void)snprintf(most, sizeof(most), "--max=%u", max);
	(void)snprintf(memory, sizeof(memory), "--memory=%s",
		       bench->options->memory);
	error = program ? peer_spawn(argv, &server) : -ENOENT;
	if (!error)
		error = peer_hear(&server, "ready", NULL, NULL);
	cleanup_close(&server.to_fd);
	cleanup_close(&server.from_fd);
	if (error)
		return error;
	serving.pid = server.pid;
	serving.ready_cpu_ns = clock_ns(serving.pid);
	*ret = serving;
	return 0;
}

static uint64_t ns_of(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000000u +
	       (uint64_t)time.tv_usec * 1000u;
}

int serving_stop(struct serving *serving, uint64_t *ret_cpu_ns)
{
	struct rusage usage;
	int status;

	if (!serving->pid)
		return 0;
	(void)kill(serving->pid, SIGTERM);
	if (wait4(serving->pid, &status, 0, &usage) < 0)
		return failed("waiting for the loader that serves", -errno);
	serving->pid = 0;
	*ret_cpu_ns = ns_of(usage.ru_utime) + ns_of(usage.ru_stime) -
		      serving->ready_cpu_ns;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return failed("the loader that serves", -ECHILD);
	return 0;
}

static int reach(const struct serving *serving, int *ret_sock)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int sock =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)strcpy(address.sun_path, serving->path);
	if (sock < 0 ||
	    connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret_sock = steal_fd(&sock);
	return 0;
}

static int send_request(int sock, int in, int out, bool wants_pid)
{
	const struct ask ask = {.nr_children = 1, .wants_pids = wants_pid};
	static uint8_t body[ASK_BODY_MAX];
	struct ask_message message = {
		.head = {.type = ASK_CHILDREN},
		.body = body,
		.fds = {in, out, STDERR_FILENO},
		.nr_fds = 3,
	};
	size_t len;
	int error = ask_encode(&ask, body, &len);

	message.head.body_bytes = (uint32_t)len;
	return error ? error : ask_send(sock, &message);
}

int serving_ask(const struct serving *serving, bool wants_pid,
		struct serving_child *ret)
{
	struct serving_child child = {-1, -1, -1};
	int requests[2], answers[2], error;

	if (pipe2(requests, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0)
		return failed("pipe", -errno);
	child.to_fd = requests[1];
	child.from_fd = answers[0];
	error = reach(serving, &child.sock);
	if (!error)
		error = send_request(child.sock, requests[0], answers[1],
				     wants_pid);
	(void)close(requests[0]);
	(void)close(answers[1]);
	*ret = child;
	return error ? failed(serving->path, error) : 0;
}

/* The next message, which must be of @type or come before one of those. */
static int hear(struct serving_child *child, enum ask_type type,
		struct ask_message *ret)
{
	static uint8_t room[ASK_BODY_MAX + 1];
	int error;

	for (;;) {
		error = ask_receive(child->sock, false, room, ret);
		if (error)
			return failed("the loader that serves", error);
		if (ret->head.type == type)
			return 0;
		if (ret->head.type == ASK_REFUSED) {
			say_error("%s", (const char *)ret->received);
			return -ECHILD;
		}
		ask_close_fds(ret);
	}
}

int serving_pid(struct serving_child *child, pid_t *ret_pid)
{
	struct ask_message message;
	int error = hear(child, ASK_PID, &message);

	if (error)
		return error;
	*ret_pid = message.nr_fds ? pids_of(message.fds[0]) : 0;
	ask_close_fds(&message);
	return *ret_pid ? 0 : failed("a child's pid", -ESRCH);
}

int serving_end(struct serving_child *child)
{
	struct ask_message message;
	int error = 0;

	cleanup_close(&child->to_fd);
	if (child->sock >= 0)
		error = hear(child, ASK_ENDED, &message);
	if (child->sock >= 0 && !error && message.head.value)
		error = failed("a child's end", -ECHILD);
	cleanup_close(&child->from_fd);
	cleanup_close(&child->sock);
	*child = (struct serving_child){-1, -1, -1};
	return error;
}
