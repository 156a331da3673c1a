/* SPDX-License-Identifier: MIT */
/* relay.c - see relay.h */
#include "tools/bench/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "tools/bench/place.h"

#define RING	   4096u /* pieces under way in one direction */
#define PIPE_BYTES (1 << 20)
#define NS_PER_S   1000000000ull

struct relay {
	pid_t pid;
	uint16_t port;
};

/* What came at one moment, and when it is to leave. */
struct piece {
	uint64_t due_ns;
	size_t bytes;
};

/* One direction; what is under way waits in the pipe. */
struct way {
	int from_fd, to_fd, pipe_fds[2];
	struct piece ring[RING];
	unsigned first, nr;
	bool is_full; /* the pipe */
	bool ended;   /* nothing more will come */
};

struct pair {
	int fds[2];
	struct way ways[2];
};

static struct pair *pairs[RELAY_PAIRS_MAX];

static int open_way(struct way *way, int from_fd, int to_fd)
{
	way->from_fd = from_fd;
	way->to_fd = to_fd;
	if (pipe2(way->pipe_fds, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	(void)fcntl(way->pipe_fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

static void close_pair(struct pair *pair)
{
	for (int i = 0; i < 2; i++) {
		if (pair->fds[i] >= 0)
			(void)close(pair->fds[i]);
		for (int end = 0; end < 2; end++)
			if (pair->ways[i].pipe_fds[end] > 0)
				(void)close(pair->ways[i].pipe_fds[end]);
	}
	free(pair);
}

static int far_end(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int fill_pair(struct pair *pair, int fd, uint16_t port)
{
	int one = 1, error;

	pair->fds[0] = fd;
	pair->fds[1] = far_end(port);
	if (pair->fds[1] < 0)
		return -ECONNREFUSED;
	for (int i = 0; i < 2; i++) {
		(void)setsockopt(pair->fds[i], IPPROTO_TCP, TCP_NODELAY, &one,
				 sizeof(one));
		(void)fcntl(pair->fds[i], F_SETFL, O_NONBLOCK);
	}
	error = open_way(&pair->ways[0], pair->fds[0], pair->fds[1]);
	return error ? error
		     : open_way(&pair->ways[1], pair->fds[1], pair->fds[0]);
}

static void join(int listener, uint16_t port)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	unsigned at = 0;
	struct pair *pair;

	while (at < RELAY_PAIRS_MAX && pairs[at])
		at++;
	pair = at < RELAY_PAIRS_MAX ? calloc(1, sizeof(*pair)) : NULL;
	if (!pair && fd >= 0)
		(void)close(fd);
	if (!pair || fd < 0) {
		free(pair);
		return;
	}
	if (fill_pair(pair, fd, port))
		close_pair(pair);
	else
		pairs[at] = pair;
}

static struct piece *newest(struct way *way)
{
	return &way->ring[(way->first + way->nr++) % RING];
}

static bool has_bytes(int fd)
{
	int bytes = 0;

	return !ioctl(fd, FIONREAD, &bytes) && bytes > 0;
}

/* 0, or -errno for a connection that is broken. */
static int take_in(struct way *way, uint64_t delay_ns)
{
	while (way->nr < RING && !way->is_full && !way->ended) {
		ssize_t got =
			splice(way->from_fd, NULL, way->pipe_fds[1], NULL,
			       PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (got < 0 && errno != EAGAIN)
			return -errno;
		if (got < 0) {
			way->is_full = way->nr && has_bytes(way->from_fd);
			return 0;
		}
		way->ended = !got;
		*newest(way) = (struct piece){io_monotonic_ns() + delay_ns,
					      (size_t)got};
	}
	return 0;
}

/* Let go what is due; of an end comes the other's end. */
static int let_out(struct way *way, uint64_t now_ns)
{
	while (way->nr && way->ring[way->first].due_ns <= now_ns) {
		struct piece *piece = &way->ring[way->first];
		ssize_t sent = 0;

		if (!piece->bytes)
			(void)shutdown(way->to_fd, SHUT_WR);
		else
			sent = splice(way->pipe_fds[0], NULL, way->to_fd, NULL,
				      piece->bytes,
				      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (sent < 0)
			return errno == EAGAIN ? 0 : -errno;
		way->is_full = false;
		piece->bytes -= (size_t)sent;
		if (!piece->bytes) {
			way->first = (way->first + 1) % RING;
			way->nr--;
		}
	}
	return 0;
}

static bool is_over(const struct pair *pair)
{
	return pair->ways[0].ended && pair->ways[1].ended &&
	       !pair->ways[0].nr && !pair->ways[1].nr;
}

static void move(uint64_t delay_ns)
{
	for (unsigned i = 0; i < RELAY_PAIRS_MAX; i++) {
		struct pair *pair = pairs[i];
		int error = 0;

		for (int w = 0; pair && w < 2 && !error; w++) {
			error = let_out(&pair->ways[w], io_monotonic_ns());
			if (!error)
				error = take_in(&pair->ways[w], delay_ns);
		}
		if (pair && (error || is_over(pair))) {
			close_pair(pair);
			pairs[i] = NULL;
		}
	}
}

/* What to wait for, on behalf of one direction. */
static void watch(const struct way *way, struct pollfd *poll_fds,
		  uint64_t *wake_ns)
{
	uint64_t due_ns = way->nr ? way->ring[way->first].due_ns : UINT64_MAX;

	poll_fds[0] = (struct pollfd){.fd = -1};
	poll_fds[1] = (struct pollfd){.fd = -1};
	if (!way->ended && !way->is_full && way->nr < RING)
		poll_fds[0] = (struct pollfd){way->from_fd, POLLIN, 0};
	if (due_ns <= io_monotonic_ns())
		poll_fds[1] = (struct pollfd){way->to_fd, POLLOUT, 0};
	else if (due_ns < *wake_ns)
		*wake_ns = due_ns;
}

static void wait_for_more(struct pollfd *poll_fds, nfds_t nr, uint64_t wake_ns)
{
	uint64_t now_ns = io_monotonic_ns();
	uint64_t left_ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
	struct timespec left = {(time_t)(left_ns / NS_PER_S),
				(long)(left_ns % NS_PER_S)};

	(void)ppoll(poll_fds, nr, wake_ns == UINT64_MAX ? NULL : &left, NULL);
}

__attribute__((noreturn)) static void serve(int listener, uint16_t port,
					    uint64_t delay_ns)
{
	struct pollfd poll_fds[1 + RELAY_PAIRS_MAX * 4];

	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		uint64_t wake_ns = UINT64_MAX;
		nfds_t nr = 0;

		poll_fds[nr++] = (struct pollfd){listener, POLLIN, 0};
		for (unsigned i = 0; i < RELAY_PAIRS_MAX; i++)
			for (int w = 0; pairs[i] && w < 2; w++, nr += 2)
				watch(&pairs[i]->ways[w], &poll_fds[nr],
				      &wake_ns);
		wait_for_more(poll_fds, nr, wake_ns);
		if (poll_fds[0].revents)
			join(listener, port);
		move(delay_ns);
	}
}

int relay_open(uint16_t port, uint32_t delay_us, struct relay **ret)
{
	struct relay *relay CLEANUP_FREE = calloc(1, sizeof(*relay));
	pid_t us = getpid();
	struct tcp_address address = {.host = "127.0.0.1"};
	int listener CLEANUP_CLOSE = -1, error;

	if (!relay)
		return -ENOMEM;
	error = place_listen(&address, &listener);
	if (error)
		return error;
	relay->port = place_port(listener);
	relay->pid = fork();
	if (!relay->pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* No end of anybody else's pipe may live on in here. */
		if (getppid() != us || dup2(listener, 3) != 3 ||
		    close_range(4, ~0u, 0))
			_exit(1);
		serve(3, port, delay_us * 1000ull);
	}
	if (relay->pid < 0)
		return -errno;
	*ret = steal_ptr(&relay);
	return 0;
}

uint16_t relay_port(const struct relay *relay)
{
	return relay->port;
}

void relay_close(struct relay *relay)
{
	if (!relay)
		return;
	(void)kill(relay->pid, SIGKILL);
	(void)waitpid(relay->pid, NULL, 0);
	free(relay);
}
