/* SPDX-License-Identifier: MIT */
/*
 * test_calls.c - system calls that wait while snapshots are taken
 *
 * A child makes one call that blocks; while it does, the test takes three
 * snapshots of it, then lets the call end.  The child says whether the result
 * was what the call would have given without us.
 */
#include "tests/unit/parent/cmocka_env.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "tests/unit/parent/taker.h"

#define WAIT_MS	 400
#define WAIT_NS	 (WAIT_MS * 1000000ull)
#define SHORT_NS (WAIT_NS / 4)
#define ENOUGH_S 60 /* for calls that are ended by the test */

enum end {
	BY_ITSELF, /* its time runs out */
	BY_BYTE,   /* the test writes a byte to the child's pipe or socket */
	BY_SIGNAL, /* the test sends SIGUSR1 */
};

struct call {
	const char *name;
	long nr; /* to know when the child is in it */
	enum end end;
	bool (*make)(void); /* in the child: true when the result is right */
};

static int in_fd, out_fd; /* the child's, and the test's end */

static bool failed_with(long rc, int error)
{
	return rc == -1 && errno == error;
}

static bool call_nanosleep(void)
{
	const struct timespec nap = {0, WAIT_NS};

	return nanosleep(&nap, NULL) == 0;
}

static bool call_clock_nanosleep(void)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WAIT_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
	       0;
}

static bool call_poll_time(void)
{
	struct pollfd fd = {.fd = in_fd, .events = POLLIN};

	return poll(&fd, 1, WAIT_MS) == 0;
}

static bool call_poll(void)
{
	struct pollfd fd = {.fd = in_fd, .events = POLLIN};

	return poll(&fd, 1, -1) == 1 && fd.revents == POLLIN;
}

static bool call_select(void)
{
	struct timeval time = {ENOUGH_S, 0};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(in_fd, &set);
	return select(in_fd + 1, &set, NULL, NULL, &time) == 1;
}

static bool call_epoll_wait(int timeout_ms, int want)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll_fd = epoll_create1(0);

	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, in_fd, &event);
	return epoll_wait(epoll_fd, &event, 1, timeout_ms) == want;
}

static bool call_epoll(void)
{
	return call_epoll_wait(-1, 1);
}

static bool call_epoll_time(void)
{
	return call_epoll_wait(WAIT_MS, 0);
}

static bool call_epoll_pwait(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll_fd = epoll_create1(0);
	sigset_t mask;

	(void)sigfillset(&mask);
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, in_fd, &event);
	return epoll_pwait(epoll_fd, &event, 1, -1, &mask) == 1;
}

static bool call_sigtimedwait(void)
{
	const struct timespec time = {ENOUGH_S, 0};
	siginfo_t info;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	return sigtimedwait(&set, &info, &time) == SIGUSR1 &&
	       info.si_code == SI_USER;
}

static volatile int handled;

static void on_signal(int signo)
{
	handled = signo;
}

/* SIGUSR1 is blocked but for the time of the call. */
static bool call_sigsuspend(void)
{
	sigset_t none;

	(void)signal(SIGUSR1, on_signal);
	(void)sigemptyset(&none);
	return failed_with(sigsuspend(&none), EINTR) && handled == SIGUSR1;
}

static bool call_ppoll_signal(void)
{
	struct pollfd fd = {.fd = in_fd, .events = POLLIN};
	sigset_t none;

	(void)signal(SIGUSR1, on_signal);
	(void)sigemptyset(&none);
	return failed_with(ppoll(&fd, 1, NULL, &none), EINTR) &&
	       handled == SIGUSR1;
}

static bool call_futex_time(void)
{
	const struct timespec time = {0, WAIT_NS};
	uint32_t word = 1;

	return failed_with(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1,
				   &time, NULL, 0),
			   ETIMEDOUT);
}

static bool call_semtimedop(void)
{
	const struct timespec time = {0, WAIT_NS};
	struct sembuf down = {.sem_num = 0, .sem_op = -1};
	int id = semget(IPC_PRIVATE, 1, 0600);
	bool right = failed_with(semtimedop(id, &down, 1, &time), EAGAIN);

	(void)semctl(id, 0, IPC_RMID);
	return right;
}

static bool call_msgrcv(void)
{
	struct {
		long type;
		char text[8];
	} message;
	int id = msgget(IPC_PRIVATE, 0600);
	bool right;

	(void)signal(SIGUSR1, on_signal);
	(void)sigprocmask(SIG_SETMASK, &(sigset_t){0}, NULL);
	right = failed_with(msgrcv(id, &message, 8, 0, 0), EINTR) && handled;
	(void)msgctl(id, IPC_RMID, NULL);
	return right;
}

static bool call_read(void)
{
	char byte = 0;

	return read(in_fd, &byte, 1) == 1 && byte == 'x';
}

static bool call_recv(void)
{
	char byte = 0;

	return recv(in_fd, &byte, 1, 0) == 1 && byte == 'x';
}

/* With a timeout the kernel answers a stop with EINTR. */
static bool call_recv_timeout(void)
{
	const struct timeval time = {ENOUGH_S, 0};

	(void)setsockopt(in_fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	return call_recv();
}

static bool call_recv_time(void)
{
	const struct timeval time = {0, WAIT_MS * 1000};
	char byte = 0;

	(void)setsockopt(in_fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	return failed_with(recv(in_fd, &byte, 1, 0), EAGAIN);
}

/* A socket with no room, and a time in which there will be none. */
static void fill_socket(void)
{
	static const char bytes[4096];
	const struct timeval time = {0, WAIT_MS * 1000};

	while (send(in_fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	(void)setsockopt(in_fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

static bool call_sendfile(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	fill_socket();
	return ftruncate(fd, 4096) == 0 &&
	       failed_with(sendfile(in_fd, fd, NULL, 4096), EAGAIN);
}

static bool call_accept(void)
{
	const struct timeval time = {0, WAIT_MS * 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	return listen(fd, 1) == 0 &&
	       failed_with(accept(fd, NULL, NULL), EAGAIN);
}

static bool call_wait(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		char byte = 0;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(read(in_fd, &byte, 1) == 1 ? 7 : 1);
	}
	return waitpid(-1, &status, 0) == child && WEXITSTATUS(status) == 7 &&
	       failed_with(waitpid(-1, NULL, __WALL), ECHILD);
}

static bool call_pause(void)
{
	(void)signal(SIGUSR1, on_signal);
	(void)sigprocmask(SIG_SETMASK, &(sigset_t){0}, NULL);
	return failed_with(pause(), EINTR) && handled == SIGUSR1;
}

static const struct call calls[] = {
	{"nanosleep", SYS_clock_nanosleep, BY_ITSELF, call_nanosleep},
	{"clock_nanosleep", SYS_clock_nanosleep, BY_ITSELF,
	 call_clock_nanosleep},
	{"poll with a time", SYS_poll, BY_ITSELF, call_poll_time},
	{"poll", SYS_poll, BY_BYTE, call_poll},
	{"select", SYS_pselect6, BY_BYTE, call_select},
	{"epoll_wait", SYS_epoll_wait, BY_BYTE, call_epoll},
	{"epoll_wait with a time", SYS_epoll_wait, BY_ITSELF, call_epoll_time},
	{"epoll_pwait", SYS_epoll_pwait, BY_BYTE, call_epoll_pwait},
	{"sigtimedwait", SYS_rt_sigtimedwait, BY_SIGNAL, call_sigtimedwait},
	{"sigsuspend", SYS_rt_sigsuspend, BY_SIGNAL, call_sigsuspend},
	{"ppoll ended by a signal", SYS_ppoll, BY_SIGNAL, call_ppoll_signal},
	{"futex with a time", SYS_futex, BY_ITSELF, call_futex_time},
	{"semtimedop", SYS_semtimedop, BY_ITSELF, call_semtimedop},
	{"msgrcv", SYS_msgrcv, BY_SIGNAL, call_msgrcv},
	{"read", SYS_read, BY_BYTE, call_read},
	{"recv", SYS_recvfrom, BY_BYTE, call_recv},
	{"recv with SO_RCVTIMEO", SYS_recvfrom, BY_BYTE, call_recv_timeout},
	{"recv out of time", SYS_recvfrom, BY_ITSELF, call_recv_time},
	{"sendfile out of time", SYS_sendfile, BY_ITSELF, call_sendfile},
	{"accept", SYS_accept, BY_ITSELF, call_accept},
	{"wait", SYS_wait4, BY_BYTE, call_wait},
	{"pause", SYS_pause, BY_SIGNAL, call_pause},
};

/* Exit status: 0 right, 1 a wrong result, 2 too early. */
_Noreturn static void child_main(const struct call *call)
{
	uint64_t start = io_monotonic_ns();
	sigset_t usr1;
	bool right;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)close(out_fd);
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &usr1, NULL);
	right = call->make();
	if (!right)
		(void)fprintf(stderr, "%s: %s\n", call->name, strerror(errno));
	if (call->end == BY_ITSELF && io_monotonic_ns() - start < WAIT_NS)
		_exit(2);
	_exit(right ? 0 : 1);
}

static long syscall_of(pid_t pid)
{
	CLEANUP_FREE char *text = NULL;
	char path[32];
	size_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	if (io_slurp_at(AT_FDCWD, path, 256, &text, &len))
		return -1;
	return strtol(text, NULL, 10);
}

/* In its call, or over. */
static void wait_blocked(pid_t pid, long nr)
{
	for (int i = 0; i < 5000 && syscall_of(pid) != nr; i++)
		(void)usleep(1000);
}

static void end_call(const struct call *call, pid_t pid)
{
	if (call->end == BY_BYTE)
		assert_int_equal(write(out_fd, "x", 1), 1);
	if (call->end == BY_SIGNAL)
		assert_int_equal(kill(pid, SIGUSR1), 0);
}

static void check_call(const struct call *call)
{
	struct refusal why = {0};
	int socks[2], status, rc;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	in_fd = socks[0];
	out_fd = socks[1];
	pid = fork();
	if (pid == 0)
		child_main(call);
	(void)close(in_fd);
	for (int i = 0; i < 3; i++) {
		wait_blocked(pid, i ? syscall_of(pid) : call->nr);
		rc = taker_take(pid, 1, &why);
		/* One that runs out of time may be over by then. */
		if (rc && (rc != -ESRCH || call->end != BY_ITSELF))
			fail_msg("%s: %d %s", call->name, rc, why.why);
		(void)usleep(SHORT_NS / 1000 / 4);
	}
	end_call(call, pid);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("%s: status %#x", call->name, status);
	(void)close(out_fd);
}

static void calls_do_not_see_us(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		check_call(&calls[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_do_not_see_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
