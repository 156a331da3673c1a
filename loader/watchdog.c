/* SPDX-License-Identifier: MIT */
/*
 * watchdog.c - wait for the supervisor's end, then for the children's
 */
#include "loader/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "loader/child.h"

#define LET_GO_MS 5000 /* killed processes are gone long before */
#define TICK_MS	  20

struct charge {
	int pidfd, listener, uffd; /* each -1 when it is not needed any more */
};

struct pack {
	int supervisor; /* pidfd */
	int sock;
	struct charge *charges; /* most, of which nr have been used */
	unsigned nr, most;
};

static bool has_event(int fd, short events)
{
	struct pollfd one = {.fd = fd, .events = events};

	return fd >= 0 && poll(&one, 1, 0) == 1;
}

/*
 * A listener hangs up when no process is filtered any more: what the child left
 * running may outlive it.
 */
static void drop(struct charge *charge)
{
	if (has_event(charge->pidfd, POLLIN)) {
		cleanup_close(&charge->pidfd);
		cleanup_close(&charge->uffd);
		charge->pidfd = charge->uffd = -1;
	}
	if (charge->pidfd < 0 && has_event(charge->listener, 0)) {
		cleanup_close(&charge->listener);
		charge->listener = -1;
	}
}

/* Of a child that is over, or a new one; NULL: there are too many. */
static struct charge *free_charge(struct pack *pack)
{
	for (unsigned i = 0; i < pack->nr; i++)
		if (pack->charges[i].pidfd < 0 && pack->charges[i].listener < 0)
			return &pack->charges[i];
	return pack->nr < pack->most ? &pack->charges[pack->nr++] : NULL;
}

static void kill_one(const struct charge *charge)
{
	if (charge->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, charge->pidfd, SIGKILL,
			      NULL, 0);
}

static void take(struct pack *pack)
{
	struct child_hello hello;
	struct charge charge = {-1, -1, -1}, *place;
	int fds[3] = {-1, -1, -1};
	unsigned nr = 0, at = 1;

	if (io_recv_fds(pack->sock, &hello, sizeof(hello), fds, 3, &nr) ||
	    nr != 1 + hello.has_listener + hello.has_uffd) {
		cleanup_close(&pack->sock);
		pack->sock = -1;
		return;
	}
	charge.pidfd = fds[0];
	if (hello.has_listener)
		charge.listener = fds[at++];
	if (hello.has_uffd)
		charge.uffd = fds[at];
	place = free_charge(pack);
	if (place)
		*place = charge;
	else
		kill_one(&charge); /* not watched, so not to run */
}

static void kill_all(const struct pack *pack)
{
	for (unsigned i = 0; i < pack->nr; i++)
		kill_one(&pack->charges[i]);
}

static unsigned drop_finished(struct pack *pack)
{
	unsigned left = 0;

	for (unsigned i = 0; i < pack->nr; i++) {
		struct charge *charge = &pack->charges[i];

		drop(charge);
		left += charge->pidfd >= 0 || charge->listener >= 0;
	}
	return left;
}

/* A hello may still lie in the socket: it holds references, and is taken. */
static void supervisor_died(struct pack *pack)
{
	while (has_event(pack->sock, POLLIN) && pack->sock >= 0)
		take(pack);
	kill_all(pack);
	for (int ms = 0; ms < LET_GO_MS && drop_finished(pack); ms += TICK_MS)
		(void)poll(NULL, 0, TICK_MS);
}

/* Wait for the supervisor, a hello, or the end of a charge. */
static void wait_event(const struct pack *pack, struct pollfd *fds)
{
	unsigned nr = 2;

	fds[0] = (struct pollfd){.fd = pack->supervisor, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = pack->sock, .events = POLLIN};
	for (unsigned i = 0; i < pack->nr; i++) {
		const struct charge *charge = &pack->charges[i];

		if (charge->pidfd >= 0)
			fds[nr++] = (struct pollfd){.fd = charge->pidfd,
						    .events = POLLIN};
		else if (charge->listener >= 0)
			fds[nr++] = (struct pollfd){.fd = charge->listener};
	}
	(void)poll(fds, nr, -1);
}

static void __attribute__((noreturn))
watch(struct pack *pack, struct pollfd *fds)
{
	for (;;) {
		wait_event(pack, fds);
		if (fds[0].revents)
			break;
		if (fds[1].revents)
			take(pack);
		(void)drop_finished(pack);
	}
	supervisor_died(pack);
	_exit(0);
}

/* Keep nothing of the caller: neither its descriptors nor its session. */
static void __attribute__((noreturn))
watchdog_main(unsigned nr_children, int supervisor, int sock)
{
	struct pack pack = {
		.supervisor = 0,
		.sock = 1,
		.charges = calloc(nr_children + 1, sizeof(struct charge)),
		.most = nr_children,
	};
	struct pollfd *fds = calloc(nr_children + 3, sizeof(*fds));

	(void)setsid();
	(void)prctl(PR_SET_NAME, "mitosis-watch");
	if (!pack.charges || !fds || dup2(sock, 1) < 0 ||
	    dup2(supervisor, 0) < 0)
		_exit(1);
	(void)syscall(SYS_close_range, 2, ~0u, 0);
	watch(&pack, fds);
}

int watchdog_open(struct watchdog *ret_watchdog)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	*ret_watchdog = (struct watchdog){.sock = ends[1], .far = ends[0]};
	return 0;
}

int watchdog_start(struct watchdog *watchdog, unsigned nr_children)
{
	CLEANUP_CLOSE int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	pid_t pid;

	if (self < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		watchdog_main(nr_children, self, watchdog->far);
	if (pid < 0)
		return -errno;
	cleanup_close(&watchdog->far);
	watchdog->far = -1;
	watchdog->pid = pid;
	return 0;
}

void watchdog_stop(struct watchdog *watchdog)
{
	cleanup_close(&watchdog->sock);
	cleanup_close(&watchdog->far);
	if (watchdog->pid <= 0)
		return;
	(void)kill(watchdog->pid, SIGKILL);
	(void)waitpid(watchdog->pid, NULL, 0);
	watchdog->pid = 0;
}
