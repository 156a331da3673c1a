/* SPDX-License-Identifier: MIT */
#include "tools/bench/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/say.h"

#define PATIENCE_MS 60000

static int failed(const char *what, int error)
{
	say_error("%s: %s", what, strerror(-error));
	return error;
}

static int spawn(char *const argv[], int in, int out, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int error;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	error = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -error;
}

int peer_spawn(char *const argv[], struct peer *ret_peer)
{
	int to[2], from[2], error;
	pid_t pid = 0;

	if (pipe2(to, O_CLOEXEC) < 0)
		return failed("pipe", -errno);
	if (pipe2(from, O_CLOEXEC) < 0) {
		error = -errno;
		(void)close(to[0]);
		(void)close(to[1]);
		return failed("pipe", error);
	}
	error = spawn(argv, to[0], from[1], &pid);
	(void)close(to[0]);
	(void)close(from[1]);
	if (error) {
		(void)close(to[1]);
		(void)close(from[0]);
		return failed(argv[0], error);
	}
	*ret_peer = (struct peer){to[1], from[0], pid};
	return 0;
}

int peer_fifos(const char *in, const char *out, struct peer *ret_peer)
{
	struct peer peer CLEANUP(peer_close) = PEER_NONE;

	if (mkfifo(in, 0600) < 0 || mkfifo(out, 0600) < 0)
		return failed(in, -errno);
	/* Read and write: an open must not wait for the far end. */
	peer.to_fd = open(in, O_RDWR | O_CLOEXEC);
	peer.from_fd = open(out, O_RDWR | O_CLOEXEC);
	if (peer.to_fd < 0 || peer.from_fd < 0)
		return failed(in, -errno);
	*ret_peer = peer;
	peer = PEER_NONE;
	return 0;
}

int peer_tell(struct peer *peer, const char *line)
{
	char message[2 * 4096 + 32];
	size_t len = strlen(line);
	int error;

	if (len + 1 > sizeof(message))
		return failed(line, -ENAMETOOLONG);
	memcpy(message, line, len);
	message[len] = '\n';
	error = io_write_all(peer->to_fd, message, len + 1);
	return error ? failed("telling a process what to do", error) : 0;
}

/* One line, without its newline; @when_ns as its first byte came. */
static int read_line(int fd, char *line, uint64_t *when_ns)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	size_t len;

	for (len = 0; len < PEER_LINE_MAX - 1; len++) {
		int ready = poll(&poll_fd, 1, PATIENCE_MS);

		if (ready <= 0)
			return ready ? -errno : -ETIMEDOUT;
		if (!len)
			*when_ns = io_monotonic_ns();
		if (read(fd, line + len, 1) != 1)
			return -EPIPE;
		if (line[len] == '\n')
			break;
	}
	line[len] = '\0';
	return 0;
}

int peer_hear(struct peer *peer, const char *word, char *rest,
	      uint64_t *ret_when_ns)
{
	char line[PEER_LINE_MAX];
	size_t len = strlen(word);
	uint64_t when_ns = 0;
	int error = read_line(peer->from_fd, line, &when_ns);

	if (error)
		return failed("waiting for an answer", error);
	if (strncmp(line, word, len) || (line[len] && line[len] != ' ')) {
		say_error("a process answers '%s' where '%s' was due", line,
			  word);
		return -EPROTO;
	}
	if (rest)
		strcpy(rest, line[len] ? line + len + 1 : "");
	if (ret_when_ns)
		*ret_when_ns = when_ns;
	return 0;
}

int peer_ask(struct peer *peer, const char *line, const char *word, char *rest,
	     uint64_t *ret_took_ns)
{
	uint64_t start = io_monotonic_ns(), end;
	int error = peer_tell(peer, line);

	if (!error)
		error = peer_hear(peer, word, rest, &end);
	if (!error && ret_took_ns)
		*ret_took_ns = end - start;
	return error;
}

void peer_close(struct peer *peer)
{
	if (peer->to_fd >= 0)
		(void)close(peer->to_fd);
	if (peer->from_fd >= 0)
		(void)close(peer->from_fd);
	if (peer->pid > 0)
		(void)waitpid(peer->pid, NULL, 0);
	*peer = PEER_NONE;
}
