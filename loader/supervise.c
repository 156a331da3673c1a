/* SPDX-License-Identifier: MIT */
/*
 * supervise.c - one poll loop over all children
 */
#include "loader/supervise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "loader/charge.h"
#include "loader/jump.h"
#include "loader/pids.h"
#include "loader/signals.h"
#include "loader/watchdog.h"

#define SIGNAL_STATUS 128

struct supervise {
	const struct load *load;
	const struct supervise_options *options;
	struct charge *charges;
	struct pollfd *polls; /* signals first, then CHARGE_POLLS of each */
	unsigned nr;
	int signals;
	struct watchdog watchdog;
	struct init *first; /* made ahead, not yet used, or NULL */
	bool started;	    /* options->started was called */
	int ended_by;	    /* a signal that came before the children ran */
};

/* Where there is an init, that holds all we hold (loader/reaper.h). */
static bool needs_watchdog(const struct load *load)
{
	return load->direct && (load->plan->nr_windows || load->plan->nr_paged);
}

static int start_watchdog(struct supervise *sv)
{
	int error = watchdog_start(&sv->watchdog, sv->nr);

	return error ? why_set(&sv->charges[0].why, error,
			       "starting the watchdog: %s", strerror(-error))
		     : 0;
}

static int start_one(struct supervise *sv, unsigned i, struct init *init,
		     int watchdog)
{
	const struct charge_options options = {
		.load = sv->load,
		.world = {.init = init},
		.watchdog = watchdog,
		.stdio = {0, 1, 2},
		.terminal = -1,
	};

	return charge_start(&sv->charges[i], &options);
}

/* The watchdog starts while the children are on their way: they will ask. */
static int start_direct(struct supervise *sv)
{
	bool watched = needs_watchdog(sv->load);
	int error = watched ? watchdog_open(&sv->watchdog) : 0;

	for (unsigned i = 0; !error && i < sv->nr; i++)
		error = start_one(sv, i, NULL, sv->watchdog.sock);
	return error || !watched ? error : start_watchdog(sv);
}

/* All inits first: they are made while we go on. */
static int begin_inits(struct supervise *sv, struct init **inits)
{
	int error = 0;

	inits[0] = sv->first;
	sv->first = NULL;
	for (unsigned i = inits[0] ? 1 : 0; !error && i < sv->nr; i++)
		error = supervise_begin(sv->load->options, &inits[i],
					&sv->charges[0].why);
	return error;
}

static int start_by_inits(struct supervise *sv)
{
	CLEANUP_FREE struct init **inits = calloc(sv->nr, sizeof(*inits));
	int error = inits ? begin_inits(sv, inits) : -ENOMEM;

	for (unsigned i = 0; !error && i < sv->nr; i++) {
		error = start_one(sv, i, inits[i], -1);
		inits[i] = NULL;
		if (i + 1 < sv->nr)
			charge_settle(&sv->charges[i]);
	}
	for (unsigned i = 0; inits && i < sv->nr; i++)
		init_abandon(inits[i]);
	return error;
}

int supervise_begin(const struct load_options *options, struct init **ret_init,
		    struct why *why)
{
	const struct init_options init = {
		.guarded = options->memory == PLAN_MEMORY_SHARED,
		.exits = options->profiled,
		.cookie = options->cookie,
	};

	return init_begin(&init, ret_init, why);
}

static void kill_all(struct supervise *sv)
{
	for (unsigned i = 0; i < sv->nr; i++)
		if (sv->charges[i].pid > 0)
			(void)kill(sv->charges[i].pid, SIGKILL);
}

static void signal_all(const struct supervise *sv, int signo)
{
	for (unsigned i = 0; i < sv->nr; i++)
		charge_signal(&sv->charges[i], signo);
}

static struct charge *charge_of(struct supervise *sv, pid_t pid)
{
	for (unsigned i = 0; i < sv->nr; i++)
		if (sv->charges[i].pid == pid)
			return &sv->charges[i];
	return NULL;
}

static void reap(struct supervise *sv)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		struct charge *charge = charge_of(sv, pid);

		if (charge)
			charge_reaped(charge, status, &usage);
		else if (pid == sv->watchdog.pid) {
			sv->watchdog.pid = 0;
			for (unsigned i = 0; i < sv->nr; i++)
				charge_kill(&sv->charges[i],
					    "its watchdog ended");
		}
	}
}

static bool all_run(const struct supervise *sv)
{
	for (unsigned i = 0; i < sv->nr; i++)
		if (sv->charges[i].state == CHARGE_LOADING)
			return false;
	return true;
}

static const struct charge *first_failed(const struct supervise *sv)
{
	for (unsigned i = 0; i < sv->nr; i++)
		if (sv->charges[i].status == SUPERVISE_NOT_LOADED &&
		    sv->charges[i].why.text[0])
			return &sv->charges[i];
	return NULL;
}

static int write_pid_file(const struct supervise *sv, struct why *why)
{
	CLEANUP_FREE pid_t *pids = calloc(sv->nr, sizeof(*pids));

	if (!pids)
		return -ENOMEM;
	for (unsigned i = 0; i < sv->nr; i++)
		pids[i] = charge_host_pid(&sv->charges[i]);
	return pids_write(sv->options->pid_file, pids, sv->nr, why);
}

static void say_started(struct supervise *sv)
{
	const struct charge *failed = first_failed(sv);
	struct why why = {""};
	int error = failed ? -ECHILD : 0;

	sv->started = true;
	if (failed)
		why = failed->why;
	else if (sv->options->pid_file)
		error = write_pid_file(sv, &why);
	(void)why_set(&why, error, "%s", strerror(-error));
	sv->options->started(sv->options->data, error, &why);
	if (error)
		kill_all(sv);
}

/*
 * The terminal sends its signals (SI_KERNEL) to all of the foreground: the
 * child had its own then, unless it leads a session or group of its own.
 */
static bool had_its_own(const struct supervise *sv,
			const struct signalfd_siginfo *info)
{
	return info->ssi_code > 0 && sv->load->leads == LOAD_LEADS_NOBODY;
}

static bool is_final(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGHUP ||
	       signo == SIGQUIT;
}

static void take_signal(struct supervise *sv,
			const struct signalfd_siginfo *info)
{
	int signo = (int)info->ssi_signo;

	if (signo == SIGCHLD) {
		reap(sv);
		return;
	}
	if (!sv->started && is_final(signo)) {
		sv->ended_by = signo;
		kill_all(sv);
		return;
	}
	if (!had_its_own(sv, info))
		signal_all(sv, signo);
}

static void read_signals(struct supervise *sv)
{
	struct signalfd_siginfo info;

	while (read(sv->signals, &info, sizeof(info)) == sizeof(info))
		take_signal(sv, &info);
}

/* Our shell waits for us: stop as the child did, and it gets its prompt. */
static void stop_too(const struct supervise *sv, int signo)
{
	if (sv->options->detached || sv->nr != 1 ||
	    (signo != SIGTSTP && signo != SIGTTIN && signo != SIGTTOU))
		return;
	(void)kill(getpid(), SIGSTOP);
	signal_all(sv, SIGCONT);
}

static void wait_events(struct supervise *sv)
{
	sv->polls[0] = (struct pollfd){.fd = sv->signals, .events = POLLIN};
	for (unsigned i = 0; i < sv->nr; i++)
		charge_polls(&sv->charges[i], &sv->polls[1 + i * CHARGE_POLLS]);
	(void)poll(sv->polls, 1 + sv->nr * CHARGE_POLLS, -1);
}

static bool any_left(const struct supervise *sv)
{
	for (unsigned i = 0; i < sv->nr; i++)
		if (sv->charges[i].pid > 0)
			return true;
	return false;
}

static void loop(struct supervise *sv)
{
	while (any_left(sv)) {
		wait_events(sv);
		for (unsigned i = 0; i < sv->nr; i++)
			charge_settle(&sv->charges[i]);
		for (unsigned i = 0; i < sv->nr; i++) {
			int stopped =
				charge_step(&sv->charges[i],
					    &sv->polls[1 + i * CHARGE_POLLS]);

			if (stopped)
				stop_too(sv, stopped);
		}
		if (sv->polls[0].revents)
			read_signals(sv);
		if (!sv->started && all_run(sv))
			say_started(sv);
	}
}

static bool any_guards_on(const struct supervise *sv)
{
	for (unsigned i = 0; sv->charges && i < sv->nr; i++)
		if (charge_guards_on(&sv->charges[i]))
			return true;
	return false;
}

static void guard_on(struct supervise *sv)
{
	while (any_guards_on(sv)) {
		wait_events(sv);
		for (unsigned i = 0; i < sv->nr; i++)
			(void)charge_step(&sv->charges[i],
					  &sv->polls[1 + i * CHARGE_POLLS]);
		read_signals(sv);
	}
}

/*
 * The caller may wait for the end of a pipe, or for a lock, that lies on what
 * we have of it.  What we opened ourselves is close-on-exec; all else is its.
 */
static void leave_to_caller(void)
{
	CLEANUP_CLOSEDIR DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (fd > STDERR_FILENO && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			(void)close(fd);
	}
	if (chdir("/"))
		return; /* it is as good there as it was */
}

static void __attribute__((noreturn)) guard_behind(struct supervise *sv)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	leave_to_caller();
	(void)setsid();
	(void)prctl(PR_SET_NAME, "mitosis-guard");
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		(void)dup2(null, fd);
	guard_on(sv);
	_exit(0);
}

/*
 * What the children left running needs the guard still, and who waits for us
 * waits for the children alone: then the guard goes on in the background.
 */
static void leave_guard(struct supervise *sv)
{
	pid_t pid = 0;

	if (!any_guards_on(sv))
		return;
	if (!sv->options->detached)
		pid = fork();
	if (pid == 0 && !sv->options->detached)
		guard_behind(sv);
	if (pid <= 0)
		guard_on(sv);
}

static int result(const struct supervise *sv)
{
	if (sv->ended_by)
		return SIGNAL_STATUS + sv->ended_by;
	for (unsigned i = 0; i < sv->nr; i++)
		if (sv->charges[i].status)
			return sv->charges[i].status;
	return 0;
}

static int prepare(struct supervise *sv)
{
	sigset_t all;
	int error = 0;

	signals_all(&all);
	(void)signal(SIGCHLD, SIG_DFL); /* ignored, it would take statuses */
	sv->charges = calloc(sv->nr, sizeof(*sv->charges));
	sv->polls = calloc(1 + sv->nr * CHARGE_POLLS, sizeof(*sv->polls));
	sv->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (!sv->charges || !sv->polls || sv->signals < 0)
		return -ENOMEM;
	error = jump_prepare(sv->load->plan);
	if (error)
		return why_set(&sv->charges[0].why, error,
			       "laying out the child's first code: %s",
			       strerror(-error));
	if (!sv->load->direct)
		return start_by_inits(sv);
	init_abandon(sv->first);
	sv->first = NULL;
	return start_direct(sv);
}

static void done(struct supervise *sv)
{
	for (unsigned i = 0; sv->charges && i < sv->nr; i++)
		charge_done(&sv->charges[i]);
	watchdog_stop(&sv->watchdog);
	init_abandon(sv->first);
	cleanup_close(&sv->signals);
	free(sv->charges);
	free(sv->polls);
}

/* Some children may have been made when one could not be. */
static void give_up(struct supervise *sv, int error)
{
	struct why why = {""};

	for (unsigned i = 0; sv->charges && i < sv->nr; i++)
		if (sv->charges[i].why.text[0])
			why = sv->charges[i].why;
	(void)why_set(&why, error, "loading: %s", strerror(-error));
	sv->options->started(sv->options->data, error, &why);
	sv->started = true;
	if (sv->charges)
		kill_all(sv);
}

static void report_kills(const struct supervise *sv)
{
	for (unsigned i = 0; i < sv->nr; i++)
		if (sv->charges[i].killed && sv->options->killed)
			sv->options->killed(sv->options->data,
					    &sv->charges[i].why);
}

static void report_outcomes(const struct supervise *sv)
{
	for (unsigned i = 0; sv->options->ended && i < sv->nr; i++)
		sv->options->ended(sv->options->data,
				   charge_outcome(&sv->charges[i]));
}

int supervise_run(const struct load *load,
		  const struct supervise_options *options)
{
	struct supervise sv = {
		.load = load,
		.options = options,
		.nr = load->options->nr_children,
		.signals = -1,
		.watchdog = {.sock = -1, .far = -1},
		.first = options->first,
	};
	int error = prepare(&sv), status;

	if (error)
		give_up(&sv, error);
	if (sv.charges && sv.polls && sv.signals >= 0)
		loop(&sv);
	status = error ? SUPERVISE_NOT_LOADED : result(&sv);
	if (!error)
		report_kills(&sv);
	if (!error)
		report_outcomes(&sv);
	leave_guard(&sv);
	done(&sv);
	return status;
}
