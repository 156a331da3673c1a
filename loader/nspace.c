/* SPDX-License-Identifier: MIT */
/*
 * nspace.c - clone3(2), pid_namespaces(7), time_namespaces(7)
 */
#include "loader/nspace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "loader/blob/sys.h"
#include "loader/mounts.h"
#include "loader/report.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define SIGSET_BYTES  8

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

bool nspace_is_direct(const struct image *image, bool new_pid)
{
	return new_pid || image->pid == 1;
}

void nspace_default_signals(void)
{
	static const uint64_t defaults[4]; /* struct sigaction, the kernel's */

	for (uint64_t signo = 1; signo <= IMAGE_SIGNALS; signo++)
		if (signo != SIGKILL && signo != SIGSTOP)
			(void)sys_call4(SYS_rt_sigaction, signo,
					(uintptr_t)defaults, 0, SIGSET_BYTES);
}

/*
 * Die with the supervisor, even if it is dead already: then nobody has the read
 * end of the report pipe.
 */
static void die_with_parent(const struct nspace_options *options)
{
	struct pollfd end = {.fd = options->report_fd};

	(void)close(options->theirs[0]);
	(void)close(options->theirs[1]);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&end, 1, 0) == 1 && end.revents & POLLERR)
		_exit(1);
}

static void __attribute__((noreturn))
fail(int report_fd, int error, const struct why *why)
{
	report_words(report_fd, error, why);
	_exit(1);
}

static int write_offsets(const char *clocks)
{
	CLEANUP_CLOSE int fd =
		open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : io_write_all(fd, clocks, strlen(clocks));
}

static int enter_clocks(void)
{
	CLEANUP_CLOSE int fd =
		open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);

	return fd < 0 || setns(fd, CLONE_NEWTIME) < 0 ? -errno : 0;
}

/*
 * By the new process, not by who makes it: that makes children of other images,
 * too.  Only whoever has a memory of its own may enter.
 */
static int continue_clocks(const char *clocks, struct why *why)
{
	int error;

	if (unshare(CLONE_NEWTIME) < 0)
		return why_set(
			why, -errno,
			"a time namespace, for an image of another host, "
			"needs CAP_SYS_ADMIN: %s",
			strerror(errno));
	error = write_offsets(clocks);
	if (!error)
		error = enter_clocks();
	return error ? why_set(why, error,
			       "setting the clocks of another host: %s",
			       strerror(-error))
		     : 0;
}

static void __attribute__((noreturn))
first_main(const struct nspace_options *options)
{
	struct why why = {""};
	const char *what = "";
	int error = 0;

	die_with_parent(options);
	nspace_default_signals();
	if (options->clocks)
		error = continue_clocks(options->clocks, &why);
	if (!error && !options->new_pid) {
		error = mounts_make(&what);
		(void)why_set(&why, error, "%s: %s", what, strerror(-error));
	}
	if (error)
		fail(options->report_fd, error, &why);
	options->enter(options->data);
	_exit(1);
}

pid_t nspace_spawn(const struct nspace_options *options, struct why *why)
{
	struct clone_args args = {
		.flags = options->new_pid ? 0 : CLONE_NEWPID,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	int error = errno;

	if (pid == 0)
		first_main(options);
	if (pid > 0)
		return pid;
	if (error == EPERM)
		return why_set(why, -error,
			       "a pid namespace needs CAP_SYS_ADMIN: load as "
			       "root, or with --pid=new");
	return why_set(why, -error, "making a process: %s", strerror(error));
}

static int64_t clock_now_ns(clockid_t id)
{
	struct timespec now;

	(void)clock_gettime(id, &now);
	return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

/* What to add to @id so that it reads what the parent's host would read now. */
static int64_t clock_offset(clockid_t id, uint64_t captured_ns,
			    int64_t passed_ns)
{
	return (int64_t)captured_ns + passed_ns - clock_now_ns(id);
}

static int format_offset(char *text, size_t size, const char *name, int64_t ns)
{
	int64_t seconds = ns / NS_PER_SECOND, rest = ns % NS_PER_SECOND;

	if (rest < 0) {
		seconds--;
		rest += NS_PER_SECOND;
	}
	return snprintf(text, size, "%s %" PRId64 " %" PRId64 "\n", name,
			seconds, rest);
}

void nspace_clocks(const struct image *image, char *ret_text, size_t size)
{
	int64_t passed = clock_now_ns(CLOCK_REALTIME) -
			 (int64_t)image->captured_realtime_ns;
	int len;

	if (passed < 0)
		passed = 0; /* the other host's clock is ahead */
	len = format_offset(ret_text, size, "monotonic",
			    clock_offset(CLOCK_MONOTONIC,
					 image->captured_monotonic_ns, passed));
	(void)format_offset(ret_text + len, size - (size_t)len, "boottime",
			    clock_offset(CLOCK_BOOTTIME,
					 image->captured_boottime_ns, passed));
}
