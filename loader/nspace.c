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
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "loader/mounts.h"
#include "loader/report.h"

#define NS_PER_SECOND INT64_C(1000000000)

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

bool nspace_is_direct(const struct image *image, bool new_pid)
{
	return new_pid || image->pid == 1;
}

static pid_t clone_with(uint64_t flags, pid_t wanted)
{
	struct clone_args args = {
		.flags = flags,
		.exit_signal = SIGCHLD,
		.set_tid = wanted ? (uint64_t)&wanted : 0,
		.set_tid_size = wanted ? 1 : 0,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : (pid_t)pid;
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

/*
 * Mounts made here stay here; those made outside still come in.  In a chroot
 * "/" need not be a mount point (EINVAL); what is mounted over is /proc alone.
 */
static int keep_mounts_here(void)
{
	if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	return mount("none", "/proc", NULL, MS_SLAVE, NULL) ? -errno : 0;
}

static int mount_proc(struct why *why)
{
	int error = keep_mounts_here();

	if (error)
		return why_set(why, error, "a mount namespace of its own: %s",
			       strerror(-error));
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL) < 0)
		return why_set(why, -errno, "mounting the child's /proc: %s",
			       strerror(errno));
	return 0;
}

static void __attribute__((noreturn))
fail(int report_fd, int error, const struct why *why)
{
	report_words(report_fd, error, why);
	_exit(1);
}

static pid_t spawn_child(const struct image *image,
			 const struct nspace_options *options)
{
	pid_t pid = clone_with(0, image->pid);
	struct why why = {""};

	if (pid == 0)
		options->enter(options->data);
	if (pid > 0)
		return pid;
	(void)why_set(&why, pid, "making pid %d: %s", image->pid,
		      strerror(-pid));
	fail(options->report_fd, pid, &why);
}

/* Nothing of the caller may be held open by a process that just waits. */
static int keep_only(int fd)
{
	int low = dup3(fd, 0, O_CLOEXEC);

	if (low < 0)
		return fd;
	(void)close_range(1, ~0u, 0);
	return low;
}

static void __attribute__((noreturn))
reap(pid_t child, int report_fd, bool linger)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WUNTRACED | __WALL);

		if (pid < 0 && errno == ECHILD)
			_exit(0);
		if (pid != child)
			continue;
		report_status(report_fd, status);
		if (!WIFSTOPPED(status) && !linger)
			_exit(0);
	}
}

static void __attribute__((noreturn))
init_main(const struct image *image, const struct nspace_options *options)
{
	struct why why = {""};
	pid_t child;
	int error;

	die_with_parent(options);
	error = mount_proc(&why);
	if (error)
		fail(options->report_fd, error, &why);
	child = spawn_child(image, options);
	mounts_forget_images(); /* off the child's way to its first step */
	(void)prctl(PR_SET_NAME, "mitosis-init");
	reap(child, keep_only(options->report_fd), options->linger);
}

static void __attribute__((noreturn))
first_main(const struct image *image, const struct nspace_options *options)
{
	struct why why = {""};
	int error = 0;

	die_with_parent(options);
	if (!options->new_pid)
		error = mount_proc(&why);
	if (error)
		fail(options->report_fd, error, &why);
	options->enter(options->data);
	_exit(1);
}

pid_t nspace_spawn(const struct image *image,
		   const struct nspace_options *options, struct why *why)
{
	uint64_t flags = options->new_pid ? 0 : CLONE_NEWPID | CLONE_NEWNS;
	pid_t pid = clone_with(flags, 0);

	if (pid == 0 && nspace_is_direct(image, options->new_pid))
		first_main(image, options);
	if (pid == 0)
		init_main(image, options);
	if (pid > 0)
		return pid;
	if (pid == -EPERM)
		return why_set(why, pid,
			       "a pid namespace needs CAP_SYS_ADMIN: load as "
			       "root, or with --pid=new");
	return why_set(why, pid, "making a process: %s", strerror(-pid));
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

int nspace_continue_clocks(const struct image *image, struct why *why)
{
	int64_t passed = clock_now_ns(CLOCK_REALTIME) -
			 (int64_t)image->captured_realtime_ns;
	CLEANUP_CLOSE int fd = -1;
	char text[128];
	int len, error = 0;

	if (passed < 0)
		passed = 0; /* the other host's clock is ahead */
	len = format_offset(text, sizeof(text), "monotonic",
			    clock_offset(CLOCK_MONOTONIC,
					 image->captured_monotonic_ns, passed));
	len += format_offset(text + len, sizeof(text) - (size_t)len, "boottime",
			     clock_offset(CLOCK_BOOTTIME,
					  image->captured_boottime_ns, passed));
	if (unshare(CLONE_NEWTIME) < 0)
		return why_set(
			why, -errno,
			"a time namespace, for an image of another host, "
			"needs CAP_SYS_ADMIN: %s",
			strerror(errno));
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	error = fd < 0 ? -errno : io_write_all(fd, text, (size_t)len);
	if (!error)
		return 0;
	return why_set(why, error, "setting the clocks of another host: %s",
		       strerror(-error));
}
