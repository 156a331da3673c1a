/* SPDX-License-Identifier: MIT */
/*
 * child.c - descriptors to their slots, what only a process can do for itself,
 * the guard last, and the jump
 */
#include "loader/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "loader/fdset.h"
#include "loader/guard.h"
#include "loader/guard_filter.h"
#include "loader/jump.h"
#include "loader/objects.h"
#include "loader/pager.h"
#include "loader/phases.h"
#include "loader/procpath.h"
#include "loader/report.h"

#define EXIT_NOT_LOADED 69 /* nobody looks: the report pipe tells */

/* Private and shared file maps too: clean pages of the image are our memory. */
#define COREDUMP_FILTER "0x37"

static int slot(const struct load *load, unsigned which)
{
	return plan_fd(&load->facts, which);
}

static int put(int fd, int number)
{
	if (fd < 0)
		return 0;
	return dup3(fd, number, O_CLOEXEC) < 0 ? -errno : 0;
}

static int put_stdio(const struct child *child)
{
	int error = 0;

	for (int i = 0; !error && i < 3; i++)
		error = put(child->stdio[i],
			    slot(child->load, PLAN_SLOT_STDIO) + i);
	return error;
}

static int put_choices(const struct load *load)
{
	const struct fate_options *options = &load->options->fates;
	int error = 0;

	for (unsigned i = 0; !error && i < options->nr_choices; i++)
		error = put(options->choices[i].own_fd,
			    load_choices_fd(load) + (int)i);
	return error;
}

static int put_all(const struct child *child, struct why *why)
{
	const struct load *load = child->load;
	const struct {
		int fd;
		enum plan_slot slot;
	} moves[] = {
		{load->dir->space, PLAN_SLOT_SPACE},
		{load->dir->fd, PLAN_SLOT_DIR},
		{load->exe_fd, PLAN_SLOT_EXE},
		{child->report, PLAN_SLOT_REPORT},
		{child->supervisor, PLAN_SLOT_SUPERVISOR},
		{child->watchdog, PLAN_SLOT_WATCHDOG},
		{child->terminal, PLAN_SLOT_TERMINAL},
	};
	int error = put_stdio(child);

	for (size_t i = 0; !error && i < sizeof(moves) / sizeof(moves[0]); i++)
		error = put(moves[i].fd, slot(load, moves[i].slot));
	if (!error)
		error = put_choices(load);
	return error ? why_set(why, error, "moving own descriptors: %s",
			       strerror(-error))
		     : 0;
}

static void lead(const struct load *load)
{
	if (load->leads == LOAD_LEADS_SESSION)
		(void)setsid();
	else if (load->leads == LOAD_LEADS_GROUP)
		(void)setpgid(0, 0);
}

static void set_coredump_filter(void)
{
	CLEANUP_CLOSE int fd =
		open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	/* Only how a core dump looks depends on it. */
	if (fd >= 0)
		(void)io_write_all(fd, COREDUMP_FILTER,
				   strlen(COREDUMP_FILTER));
}

static int change_directory(const struct load *load, struct why *why)
{
	const char *const chosen = load->options->cwd;
	const char *const cwd = load->dir->image->cwd;
	const char *path = chosen, *reason = "";
	char room[PROCPATH_BYTES];
	int error = 0;

	if (!chosen)
		error = procpath_own(load->dir->image, cwd, room, &path,
				     &reason);
	if (error)
		return why_set(why, error,
			       "working directory %s %s; give another with "
			       "--cwd=PATH",
			       cwd, reason);
	if (chdir(path) == 0)
		return 0;
	return why_set(why, -errno,
		       "working directory %s: %s; give another with --cwd=PATH",
		       path, strerror(errno));
}

/*
 * Every path of the image is one of the host's, and so are those of the
 * options: this comes after the last that is opened, and before the privilege
 * it takes is given up.
 */
static int change_root(const struct load *load, struct why *why)
{
	const char *chosen = load->options->root;
	const char *path = chosen ? chosen : load->dir->image->root;

	if (!strcmp(path, "/") || !*path || chroot(path) == 0)
		return 0;
	return why_set(why, -errno,
		       "root directory %s: %s; load as root, or give another "
		       "with --root=PATH (/: our own)",
		       path, strerror(errno));
}

static int set_process(const struct load *load, struct why *why)
{
	lead(load);
	set_coredump_filter();
	(void)umask((mode_t)load->dir->image->umask);
	return change_directory(load, why);
}

static int make_uffd(const struct load *load, struct why *why)
{
	CLEANUP_CLOSE int fd = pager_userfaultfd();
	int error = fd < 0 ? fd : put(fd, slot(load, PLAN_SLOT_UFFD));

	if (!error)
		return 0;
	return why_set(why, error,
		       "--memory=own needs userfaultfd(2): %s; load with "
		       "--memory=shared",
		       strerror(-error));
}

static int make_descriptors(const struct child *child, struct why *why)
{
	const struct load *load = child->load;
	const struct fdmake make = {
		.plan = load->plan,
		.options = &load->options->fates,
		.fates = load->fates,
		.choices_fd = load_choices_fd(load),
		.same_host = load->same_host,
		.has_terminal = child->terminal >= 0,
		.why = why,
	};
	int error = objects_make(load->plan, load->dir, load->fates, why);

	return error ? error : fdset_make(&make);
}

/* The supervisor and the watchdog each get a reference of their own. */
static int say_hello(const struct child *child, int listener, struct why *why)
{
	const struct load *load = child->load;
	CLEANUP_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct child_hello hello = {.has_listener = listener >= 0,
				    .has_uffd = load->plan->nr_paged > 0};
	int fds[2] = {pidfd, listener};
	unsigned nr = 1 + hello.has_listener;
	int error = pidfd < 0 ? -errno : 0;

	if (hello.has_uffd)
		fds[nr++] = slot(load, PLAN_SLOT_UFFD);
	if (!error)
		error = io_send_fds(slot(load, PLAN_SLOT_SUPERVISOR), &hello,
				    sizeof(hello), fds, nr);
	if (!error && child->watchdog >= 0)
		error = io_send_fds(slot(load, PLAN_SLOT_WATCHDOG), &hello,
				    sizeof(hello), fds, nr);
	return error ? why_set(why, error, "meeting the supervisor: %s",
			       strerror(-error))
		     : 0;
}

/*
 * The pager would fill guard regions, of which the kernel does not tell it; C
 * libraries make do without.  A kernel that has no filters is taken as it is.
 */
static int refuse_fences(const struct load *load, struct why *why)
{
	int error = load->plan->nr_paged && load->facts.has_fences
			    ? guard_filter_install_own(load->facts.cookie)
			    : 0;

	if (!error || error == -ENOSYS || error == -EINVAL)
		return 0;
	return why_set(why, error,
		       "refusing guard regions (seccomp): %s; load with "
		       "--memory=shared",
		       strerror(-error));
}

static int meet(const struct child *child, struct why *why)
{
	const struct load *load = child->load;
	CLEANUP_CLOSE int listener = -1;

	if (child->supervisor < 0)
		return 0;
	if (!load->plan->nr_windows || child->guarded)
		return say_hello(child, -1, why);
	listener = guard_install(load->facts.cookie, load->options->profiled);
	if (listener < 0)
		return why_set(why, listener,
			       "the memory guard (seccomp): %s; load with "
			       "--memory=own",
			       strerror(-listener));
	return say_hello(child, listener, why);
}

/* Everything from here on reports through the slot. */
static __attribute__((no_sanitize_address)) int
become(const struct child *child, struct why *why)
{
	const struct load *load = child->load;
	int error = set_process(load, why);

	if (!error && load->plan->nr_paged)
		error = make_uffd(load, why);
	if (!error)
		error = make_descriptors(child, why);
	if (!error)
		error = change_root(load, why);
	if (!error)
		error = refuse_fences(load, why);
	phases_mark(PHASE_FILES);
	if (!error)
		error = meet(child, why);
	if (!error)
		jump_go(load->plan, !child->has_init);
	return error;
}

__attribute__((no_sanitize_address)) void child_enter(void *data)
{
	const struct child *child = data;
	struct why why = {""};
	int report = child->report, error;

	phases_mark(PHASE_CHILD);
	/* All of them: libc's sigprocmask() leaves two of its own out. */
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &(uint64_t){~0ull}, NULL,
		      sizeof(uint64_t));
	error = put_all(child, &why);

	if (!error) {
		report = slot(child->load, PLAN_SLOT_REPORT);
		error = become(child, &why);
	}
	(void)why_set(&why, error, "loading: %s", strerror(-error));
	report_words(report, error, &why);
	_exit(EXIT_NOT_LOADED);
}
