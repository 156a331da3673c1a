/* SPDX-License-Identifier: MIT */
#include "parent/errand.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

#include "parent/tracee.h"

#define BIT(signo) (1ull << ((signo)-1))

static uint64_t blocked_anywhere(const struct seized *seized)
{
	uint64_t blocked = 0;

	for (uint32_t i = 0; i < seized->nr; i++)
		blocked |= seized->threads[i].sigmask;
	return blocked;
}

int errand_choose_signal(const struct seized *seized, uint64_t caught,
			 uint64_t pending)
{
	static const int ignored[] = {SIGURG, SIGWINCH, SIGCONT};
	const uint64_t blocked = blocked_anywhere(seized);

	if (seized->stopped) /* SIGCONT would end that */
		caught |= BIT(SIGCONT);
	for (size_t i = 0; i < 2; i++)
		if (!((caught | pending | blocked) & BIT(ignored[i])))
			return ignored[i];
	for (size_t i = 0; i < 3; i++)
		if (!((caught | pending) & BIT(ignored[i])))
			return ignored[i];
	return 0;
}

static void note(struct errand *errand, int error)
{
	if (errand->error == 0)
		errand->error = error;
}

static int send_off(struct errand *errand, uint32_t i)
{
	struct seized_thread *thread = &errand->seized->threads[i];
	struct user_regs_struct regs = thread->regs;
	int rc;

	graft_enter(errand->graft, i, &regs);
	rc = tracee_set_regs(thread->tid, &regs);
	rc = rc ? rc
		: tracee_set_sigmask(thread->tid, ~BIT(errand->done_signal));
	return rc ? rc : tracee_resume(thread->tid, false);
}

void errand_start(struct errand *errand)
{
	for (uint32_t i = 0; i < errand->seized->nr; i++) {
		int rc = send_off(errand, i);

		if (rc) {
			note(errand, rc);
			continue;
		}
		errand->seized->threads[i].running = true;
		errand->away++;
	}
}

/* @thread is stopped and on no errand any more. */
static void came_back(struct errand *errand, struct seized_thread *thread)
{
	int rc = 0;

	thread->running = false;
	errand->away--;
	if (thread != errand->seized->threads)
		rc = seize_restore(thread);
	if (rc)
		note(errand, rc);
}

static bool is_done(const struct errand *errand,
		    const struct seized_thread *thread)
{
	struct user_regs_struct regs;

	return tracee_get_regs(thread->tid, &regs) == 0 &&
	       regs.rip == graft_done_ip(errand->graft);
}

/* A signal on the way: our own, one from outside, or a fault. */
static void on_signal(struct errand *errand, struct seized_thread *thread,
		      int signo)
{
	const bool is_ours = signo == errand->done_signal;

	if (signo == SIGSTOP || (is_ours && !is_done(errand, thread))) {
		signo = seize_pass(thread, signo, errand->done_signal);
		(void)tracee_deliver(thread->tid, signo, false);
		return;
	}
	if (!is_ours)
		note(errand, -EIO);
	else if (signo == SIGCONT && !tracee_is_tkill(thread->tid))
		(void)seize_pass(thread, signo, signo); /* it took our place */
	tracee_swallow(thread->tid);
	came_back(errand, thread);
}

static void on_thread(struct errand *errand, struct seized_thread *thread,
		      struct tracee_stop stop)
{
	switch (stop.event) {
	case TRACEE_GONE:
		/* One that is back already may be killed, too. */
		errand->away -= thread->running;
		thread->gone = true;
		thread->running = false;
		note(errand, -ESRCH);
		break;
	case TRACEE_SIGNAL:
		on_signal(errand, thread, stop.signo);
		break;
	default: /* a group-stop begins or ends */
		(void)tracee_resume(thread->tid, false);
	}
}

/*
 * The target waits for what the helper does, so on a busy machine it goes
 * before others, where we may say so.  Its child, the twin, does not.
 */
static void hurry(pid_t tid)
{
	const struct sched_param first = {.sched_priority = 1};

	(void)sched_setscheduler(tid, SCHED_FIFO | SCHED_RESET_ON_FORK, &first);
}

static void on_helper(struct errand *errand, struct tracee_stop stop)
{
	if (stop.event == TRACEE_GONE)
		errand->helper_ended = true;
	else
		(void)tracee_resume(errand->helper, false);
}

/* The next thing that happens to anybody. */
static void step(struct errand *errand)
{
	struct seized_thread *thread;
	struct tracee_stop stop;
	pid_t tid = tracee_look(-1, &stop);

	if (tid == -ECHILD) { /* nobody is left to wait for */
		errand->away = 0;
		note(errand, -ESRCH);
	}
	if (tid < 0)
		return;
	thread = seize_find(errand->seized, tid);
	if (thread) {
		on_thread(errand, thread, stop);
	} else if (tid == errand->helper) {
		on_helper(errand, stop);
	} else if (tid == errand->twin) {
		if (stop.event == TRACEE_GONE)
			errand->twin = 0;
	} else if (stop.event == TRACEE_STOP && !errand->helper) {
		errand->helper = tid;
		hurry(tid);
		(void)tracee_resume(tid, false);
	} else if (stop.event == TRACEE_STOP && !errand->twin) {
		errand->twin = tid;
	}
}

void errand_wait_helper(struct errand *errand)
{
	while (errand->away && !errand->helper && !errand->error)
		step(errand);
}

/* Why there is no twin, from the answers. */
static int no_twin(const struct graft_args *args)
{
	if (args->subreaper)
		return -ENOTSUP;
	return args->helper < 0 ? (int)args->helper : (int)args->twin;
}

int errand_finish(struct errand *errand, int mem_fd)
{
	const struct graft_args *args = graft_args(errand->graft);

	while (errand->away || (errand->helper && !errand->helper_ended))
		step(errand);
	if (errand->error == 0)
		errand->error = graft_read(errand->graft, mem_fd);
	if (errand->error == 0 && args->twin <= 0)
		errand->error = no_twin(args);
	/* Born for sure, but perhaps not seen yet. */
	while (errand->error == 0 && !errand->twin)
		step(errand);
	return errand->error;
}
