/* SPDX-License-Identifier: MIT */
#include "parent/errand.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>

#include "common/io.h"
#include "parent/limit.h"
#include "parent/tracee.h"

#define BIT(signo) (1ull << ((signo)-1))

#define TICK_MS 100 /* nobody looks at the time before that */

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

/* It lies still from its birth on: all that it can do is to be killed. */
static void on_twin(struct errand *errand, pid_t tid, struct tracee_stop stop)
{
	if (stop.event == TRACEE_GONE) {
		errand->twin = 0;
		note(errand, -ECANCELED);
	} else {
		errand->twin = tid;
	}
}

/* The leader comes home when the helper it waits for has ended. */
static void call_off(struct errand *errand, int error)
{
	note(errand, error);
	if (errand->helper && !errand->helper_ended)
		(void)kill(errand->helper, SIGKILL);
}

/*
 * Born, or killed before the stop that it was born into was seen.  The helper
 * is the first: it has no twin before we let it go on.
 */
static void on_stranger(struct errand *errand, pid_t tid,
			struct tracee_stop stop)
{
	if (errand->helper) {
		on_twin(errand, tid, stop);
		return;
	}
	errand->helper = tid;
	if (errand->error)
		call_off(errand, errand->error);
	else
		hurry(tid);
	on_helper(errand, stop);
}

static bool is_unwanted(const struct errand *errand)
{
	struct pollfd maker = {.fd = errand->maker_fd, .events = POLLRDHUP};

	return maker.fd > 0 && poll(&maker, 1, 0) > 0;
}

static void look_at_the_time(struct errand *errand)
{
	if (is_unwanted(errand))
		call_off(errand, -ECANCELED);
	else if (io_monotonic_ns() >= errand->deadline_ns)
		call_off(errand, -ETIMEDOUT);
}

/* The next thing that happens to anybody, or some time in which nothing does.
 */
static void step(struct errand *errand)
{
	struct seized_thread *thread;
	struct tracee_stop stop;
	pid_t tid = tracee_look(-1, &stop);

	if (tid == -EINTR)
		look_at_the_time(errand);
	if (tid == -ECHILD) { /* nobody is left to wait for */
		errand->away = 0;
		errand->helper_ended = true;
		note(errand, -ESRCH);
	}
	if (tid < 0)
		return;
	thread = seize_find(errand->seized, tid);
	if (thread)
		on_thread(errand, thread, stop);
	else if (tid == errand->helper)
		on_helper(errand, stop);
	else
		on_stranger(errand, tid, stop);
}

/* Without a timer, for want of one, it takes as long as it takes. */
static void step_until(struct errand *errand,
		       bool (*is_over)(const struct errand *errand))
{
	struct limit limit;
	int rc;

	if (is_over(errand))
		return;
	rc = limit_set(&limit, TICK_MS);
	errand->deadline_ns = io_monotonic_ns() + ERRAND_LIMIT_MS * 1000000ull;
	while (!is_over(errand))
		step(errand);
	if (rc == 0)
		limit_clear(&limit);
}

static bool helper_is_born(const struct errand *errand)
{
	return !errand->away || errand->helper || errand->error;
}

static bool all_are_back(const struct errand *errand)
{
	return !errand->away && (!errand->helper || errand->helper_ended);
}

static bool twin_is_seen(const struct errand *errand)
{
	return errand->twin || errand->error;
}

void errand_wait_helper(struct errand *errand)
{
	step_until(errand, helper_is_born);
}

/* Why there is no twin, from the answers. */
static int no_twin(const struct graft *graft)
{
	const struct graft_args *args = graft_args(graft);

	if (!graft_slot(graft, 0)->tid)
		return -ENOMEM;
	if (args->subreaper)
		return -ENOTSUP;
	return args->helper < 0 ? (int)args->helper : (int)args->twin;
}

int errand_finish(struct errand *errand, int mem_fd)
{
	const struct graft_args *args = graft_args(errand->graft);

	step_until(errand, all_are_back);
	if (errand->error == 0)
		errand->error = graft_read(errand->graft, mem_fd);
	if (errand->error == 0 && args->twin <= 0)
		errand->error = no_twin(errand->graft);
	/* Born for sure, but perhaps not seen yet. */
	step_until(errand, twin_is_seen);
	return errand->error;
}
