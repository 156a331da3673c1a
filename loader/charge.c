/* SPDX-License-Identifier: MIT */
/*
 * charge.c - loading, running, ended
 */
#include "loader/charge.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "loader/child.h"
#include "loader/nspace.h"
#include "loader/phases.h"
#include "loader/pids.h"
#include "loader/report.h"
#include "loader/supervise.h"

#define SIGNAL_STATUS 128 /* as shells tell a death by signal */
#define PAGER_BATCH   16u
#define CLOCKS_MAX    128 /* nspace_clocks() */

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? SIGNAL_STATUS + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static int open_report(struct charge *charge)
{
	int report[2];

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	charge->report = report[0];
	charge->far_report = report[1];
	return 0;
}

static int open_hello(struct charge *charge, int *ret_far)
{
	int hello[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, hello) < 0)
		return -errno;
	charge->hello = hello[0];
	*ret_far = hello[1];
	return 0;
}

/* Nobody else has what we hold: the child says hello to us and the watchdog. */
static int start_direct(struct charge *charge)
{
	const struct load *load = charge->load;
	char clocks[CLOCKS_MAX];
	struct nspace_options options = {
		.new_pid = load->options->new_pid,
		.clocks = load->same_host ? NULL : clocks,
		.report_fd = charge->far_report,
		.theirs = {charge->report, charge->hello},
		.enter = child_enter,
		.data = &charge->child,
	};

	if (!load->same_host)
		nspace_clocks(load->dir->image, clocks, sizeof(clocks));
	charge->pid = nspace_spawn(&options, &charge->why);
	charge->settled = true;
	cleanup_close(&charge->far_report);
	charge->far_report = -1;
	return charge->pid < 0 ? charge->pid : 0;
}

static void exiting(void *data, pid_t tid);

static int open_guard(struct charge *charge, int listener)
{
	const struct load *load = charge->load;
	const struct guard_options options = {
		.exiting = exiting,
		.arg = charge,
		.open_file = backing_open,
		.files = load->backing,
		.dev = load->dev,
		.windows = load->plan->windows,
		.nr_windows = load->plan->nr_windows,
		.cookie = load->facts.cookie,
	};

	return guard_open(listener, &options, &charge->guard);
}

/* The guard is ready before there is a child: it need not ask. */
static int start_by_init(struct charge *charge)
{
	const struct load *load = charge->load;
	char clocks[CLOCKS_MAX] = "";
	const struct init_child child = {
		.pid = load->dir->image->pid,
		.report = charge->far_report,
		.nofile_max = load->facts.nofile_max,
		.clocks = clocks,
		.linger = load->options->linger,
		.enter = child_enter,
		.data = &charge->child,
	};
	int listener = -1, error;

	error = init_ready(charge->init, &listener, &charge->why);
	if (!error && listener >= 0)
		error = open_guard(charge, listener);
	if (error)
		return error;
	charge->child.guarded = charge->guard;
	if (!load->same_host)
		nspace_clocks(load->dir->image, clocks, sizeof(clocks));
	init_go(charge->init, &child);
	return 0;
}

static int start(struct charge *charge, const struct charge_options *options)
{
	CLEANUP_CLOSE int far = -1;
	int error = open_report(charge);

	if (!error && (!charge->init || charge->load->plan->nr_paged))
		error = open_hello(charge, &far);
	if (error)
		return error;
	charge->child = (struct child){
		.load = charge->load,
		.report = charge->far_report,
		.supervisor = far,
		.watchdog = options->watchdog,
		.has_init = charge->init,
		.terminal = options->terminal,
	};
	memcpy(charge->child.stdio, options->stdio, sizeof(options->stdio));
	error = charge->init ? start_by_init(charge) : start_direct(charge);
	if (!error && far >= 0)
		charge_settle(charge);
	return error;
}

int charge_start(struct charge *charge, const struct charge_options *options)
{
	struct init *init = options->world.init;
	int error;

	*charge = (struct charge){
		.load = options->load,
		.pid = init ? init_pid(init) : 0,
		.init = init,
		.guard = options->world.guard,
		.report = -1,
		.far_report = -1,
		.hello = -1,
		.pidfd = -1,
	};
	outcome_begin(&charge->outcome, options->load);
	charge->state = CHARGE_LOADING;
	error = start(charge, options);
	if (error) /* no child will ever be made */
		charge->settled = true;
	return error ? why_set(&charge->why, error, "making a child: %s",
			       strerror(-error))
		     : 0;
}

void charge_settle(struct charge *charge)
{
	if (charge->settled || charge->state == CHARGE_NONE)
		return;
	charge->settled = true;
	/* Why it failed is in the words; that it did, its end will tell. */
	(void)init_settle(charge->init, &charge->pidfd, &charge->why);
}

void charge_polls(const struct charge *charge, struct pollfd *ret_polls)
{
	const int fds[CHARGE_POLLS] = {
		charge->hello,
		charge->report,
		charge->guard ? guard_fd(charge->guard) : -1,
		charge->pager ? pager_fd(charge->pager) : -1,
	};

	for (int i = 0; i < CHARGE_POLLS; i++)
		ret_polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
}

static int open_pager(struct charge *charge, int uffd)
{
	const struct load *load = charge->load;
	const struct pager_options options = {
		.image = load->dir->image,
		.areas = load->areas,
		.nr_areas = load->plan->nr_paged,
		.batch_pages = PAGER_BATCH,
	};

	return pager_open(uffd, &options, &charge->pager);
}

static int take_hello(struct charge *charge, const struct child_hello *hello,
		      const int *fds)
{
	int error = 0;

	cleanup_close(&charge->pidfd);
	charge->pidfd = fds[0];
	if (hello->has_listener)
		error = open_guard(charge, fds[1]);
	else if (hello->has_uffd)
		error = open_pager(charge, fds[1]);
	return error;
}

static void hang_up(struct charge *charge)
{
	cleanup_close(&charge->hello);
	charge->hello = -1;
}

static void read_hello(struct charge *charge)
{
	struct child_hello hello;
	int fds[2] = {-1, -1}, error;
	unsigned nr = 0;

	error = io_recv_fds(charge->hello, &hello, sizeof(hello), fds, 2, &nr);
	if (error) {
		hang_up(charge); /* the report pipe tells why */
		return;
	}
	if (nr != 1 + hello.has_listener + hello.has_uffd) {
		charge_kill(charge, "the child sent no descriptors");
		return;
	}
	error = take_hello(charge, &hello, fds);
	if (!error)
		error = io_write_all(charge->hello, "", 1); /* plan_ask() */
	if (error == -EPIPE)
		hang_up(charge); /* it died meanwhile */
	else if (error)
		charge_kill(charge, strerror(-error));
}

static void failed_step(struct charge *charge, const struct report *report)
{
	char about[200];

	plan_describe(charge->load->plan, report->step, about, sizeof(about));
	(void)why_set(&charge->why, report->error, "%s: %s", about,
		      report->error == BLOB_WRONG_RESULT
			      ? "the kernel put it elsewhere"
			      : strerror(-report->error));
}

static void ended(struct charge *charge, int status)
{
	if (charge->state == CHARGE_LOADING) {
		(void)why_set(&charge->why, -ECHILD,
			      WIFSIGNALED(status)
				      ? "signal %d ended the child before it "
					"ran"
				      : "the child ended before it ran (%d)",
			      WIFSIGNALED(status) ? WTERMSIG(status)
						  : WEXITSTATUS(status));
		charge->status = SUPERVISE_NOT_LOADED;
	} else if (charge->state == CHARGE_RUNNING) {
		charge->status = exit_status(status);
	}
	if (charge->init)
		init_usage(charge->init, &charge->outcome.usage);
	outcome_ends(&charge->outcome, charge->status);
	charge->state = CHARGE_ENDED;
}

static int read_report(struct charge *charge)
{
	struct report report;

	if (report_read(charge->report, &report))
		report.kind = REPORT_END;
	switch (report.kind) {
	case REPORT_RUNNING:
		phases_mark(PHASE_RUNNING);
		charge->state = CHARGE_RUNNING;
		if (charge->outcome.is_wanted)
			outcome_runs(&charge->outcome, charge_host_pid(charge));
		return 0;
	case REPORT_STEP:
		failed_step(charge, &report);
		return 0;
	case REPORT_WORDS:
		(void)why_set(&charge->why, report.error, "%s",
			      report.why.text);
		return 0;
	case REPORT_STATUS:
		if (WIFSTOPPED(report.status))
			return WSTOPSIG(report.status);
		ended(charge, report.status);
		return 0;
	case REPORT_EMPTY:
		charge->empty = true;
		return 0;
	case REPORT_END:
		break;
	}
	cleanup_close(&charge->report);
	charge->report = -1;
	return 0;
}

static bool has_report(const struct charge *charge)
{
	struct pollfd end = {.fd = charge->report, .events = POLLIN};

	return charge->report >= 0 && poll(&end, 1, 0) == 1;
}

/* What was said before the end comes first. */
static void drain(struct charge *charge)
{
	while (has_report(charge))
		(void)read_report(charge);
}

/* So it runs, and has said so; a short life may be over before we heard. */
static void exiting(void *data, pid_t tid)
{
	struct charge *charge = data;

	while (charge->state == CHARGE_LOADING && has_report(charge))
		(void)read_report(charge);
	outcome_exiting(&charge->outcome, tid);
}

static void serve(struct charge *charge, const struct pollfd *polls)
{
	int error = 0;

	if (charge->guard && polls[2].revents) {
		error = guard_serve(charge->guard);
		if (polls[2].revents & POLLHUP) {
			guard_get_stats(charge->guard, &charge->outcome.guard);
			guard_close(charge->guard);
			charge->guard = NULL;
		}
	}
	if (!error && charge->pager && polls[3].revents)
		error = pager_serve(charge->pager);
	if (error)
		charge_kill(charge, strerror(-error));
}

int charge_step(struct charge *charge, const struct pollfd *polls)
{
	int stopped = 0;

	if (charge->state == CHARGE_NONE)
		return 0;
	if (charge->hello >= 0 && polls[0].revents)
		read_hello(charge);
	serve(charge, polls);
	if (charge->report >= 0 && polls[1].revents)
		stopped = read_report(charge);
	/* An init that stays says at once that its world is empty. */
	if (charge->init && charge->state == CHARGE_ENDED && !charge->empty)
		drain(charge);
	return stopped;
}

void charge_reaped(struct charge *charge, int status,
		   const struct rusage *usage)
{
	charge->pid = 0;
	drain(charge);
	if (charge->state == CHARGE_ENDED)
		return;
	ended(charge, status);
	if (!charge->init && usage)
		charge->outcome.usage = *usage;
}

const struct outcome *charge_outcome(struct charge *charge)
{
	if (charge->guard)
		guard_get_stats(charge->guard, &charge->outcome.guard);
	if (charge->pager)
		pager_get_stats(charge->pager, &charge->outcome.pager);
	return &charge->outcome;
}

struct charge_world charge_take_world(struct charge *charge)
{
	const struct charge_world world = {charge->init, charge->guard};

	charge->init = NULL;
	charge->guard = NULL;
	charge->pid = 0;
	charge->empty = false;
	return world;
}

pid_t charge_host_pid(const struct charge *charge)
{
	return charge->pidfd < 0 ? 0 : pids_of(charge->pidfd);
}

void charge_signal(struct charge *charge, int signo)
{
	if (charge->state != CHARGE_RUNNING || charge->pidfd < 0)
		return;
	outcome_signal(&charge->outcome, signo);
	(void)syscall(SYS_pidfd_send_signal, charge->pidfd, signo, NULL, 0);
}

/* A listener hangs up when no process is filtered any more. */
bool charge_guards_on(const struct charge *charge)
{
	struct pollfd one = {.fd = -1};

	if (charge->state != CHARGE_ENDED || charge->init || !charge->guard ||
	    charge->killed)
		return false;
	one.fd = guard_fd(charge->guard);
	return poll(&one, 1, 0) <= 0 || !(one.revents & POLLHUP);
}

bool charge_pages_on(const struct charge *charge)
{
	return charge->state == CHARGE_ENDED && !charge->pid && !charge->init &&
	       charge->pager;
}

void charge_let_go_some(struct charge *charge)
{
	bool more = false;

	if (!pager_let_go_some(charge->pager, &more) && more)
		return;
	pager_get_stats(charge->pager, &charge->outcome.pager);
	pager_close(charge->pager);
	charge->pager = NULL;
}

void charge_kill(struct charge *charge, const char *reason)
{
	(void)why_set(&charge->why, -ECHILD,
		      "the child was killed, for its memory could not be kept "
		      "right: %s",
		      reason);
	charge->killed = true;
	if (charge->pid > 0)
		(void)kill(charge->pid, SIGKILL);
}

void charge_done(struct charge *charge)
{
	if (charge->state == CHARGE_NONE)
		return;
	outcome_done(&charge->outcome);
	guard_close(charge->guard);
	/* With an init nothing is left; without one nobody can tell. */
	if (charge->pager && !charge->init)
		(void)pager_let_go(charge->pager);
	pager_close(charge->pager);
	cleanup_close(&charge->report);
	cleanup_close(&charge->far_report);
	cleanup_close(&charge->hello);
	cleanup_close(&charge->pidfd);
	init_free(charge->init);
	charge->state = CHARGE_NONE;
}
