/* SPDX-License-Identifier: MIT */
#include "parent/pause.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/lap.h"
#include "common/trace.h"
#include "parent/admit.h"
#include "parent/answers.h"
#include "parent/capture.h"
#include "parent/errand.h"
#include "parent/forkless.h"
#include "parent/inject.h"
#include "parent/procfs.h"
#include "parent/rung.h"
#include "parent/seize.h"
#include "parent/threads.h"
#include "parent/tracee.h"
#include "parent/twin.h"

struct pause {
	const struct pause_plan *plan;
	struct image *image;
	struct refusal *why;
	struct seized seized;
	struct inject inject;
	struct errand errand;
	struct pause_result result;
	int policy; /* the scheduler's, to go back to; -1: unchanged */
	struct sched_param priority;
};

static int refuse_scratch(const struct pause *pause, int error)
{
	return refuse(pause->why, error,
		      "it has no room for %zu bytes of scratch memory (%s)",
		      pause->result.graft.bytes, strerror(-error));
}

static int map_graft(struct pause *pause)
{
	struct graft *graft = &pause->result.graft;
	const struct inject_call call = {
		.nr = SYS_mmap,
		.args = {0, graft->bytes, PROT_READ | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0},
	};
	int64_t base;
	int rc = inject_call(&pause->inject, &call, &base);

	if (rc == -EBUSY)
		return refuse(pause->why, rc,
			      "it does not run (frozen by its cgroup, as by "
			      "docker pause?); try again");
	if (rc)
		return rc;
	if (base < 0)
		return refuse_scratch(pause, (int)base);
	graft_place(graft, (uint64_t)base);
	return 0;
}

static int unmap_graft(struct pause *pause)
{
	const struct graft *graft = &pause->result.graft;
	const struct inject_call call = {
		.nr = SYS_munmap,
		.args = {graft->base, graft->bytes},
		.last = true,
	};
	int64_t result;
	int rc = inject_call(&pause->inject, &call, &result);

	return rc ? rc : (int)result;
}

static int plan_graft(struct pause *pause)
{
	const struct pause_plan *plan = pause->plan;
	CLEANUP_FREE struct graft_area *areas = NULL;
	struct image *image = pause->image;
	struct graft_plan layout = {
		.nr_slots = image->nr_threads,
		.done_signal = pause->errand.done_signal,
		.sigreturn = plan->gadgets.sigreturn,
	};
	int rc = procfs_timers(plan->pid, &image->timers, &image->nr_timers);

	rc = rc ? rc
		: forkless_list(plan->pid, plan->vmas, plan->nr_vmas, &areas,
				&layout.nr_areas);
	if (rc)
		return rc;
	layout.areas = areas;
	layout.timers = image->timers;
	layout.nr_timers = image->nr_timers;
	for (uint32_t i = 0; i < image->nr_threads; i++)
		if (image->threads[i].xstate_bytes > layout.xstate_bytes)
			layout.xstate_bytes = image->threads[i].xstate_bytes;
	return graft_plan(&layout, &pause->result.graft);
}

static int fill_graft(struct pause *pause)
{
	struct graft *graft = &pause->result.graft;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < pause->seized.nr; i++)
		rc = graft_set_frame(graft, i, pause->plan->mem_fd,
				     &pause->seized.threads[i].regs,
				     &pause->image->threads[i]);
	return rc ? rc : graft_write(graft, pause->plan->mem_fd);
}

static int choose_signal(struct pause *pause)
{
	uint64_t pending = 0;

	for (uint32_t i = 0; i < pause->result.pending.nr; i++) {
		int signo;

		memcpy(&signo, pause->result.pending.signals[i].siginfo,
		       sizeof(signo));
		pending |= 1ull << (signo - 1);
	}
	pause->errand.done_signal = errand_choose_signal(
		&pause->seized, pause->plan->caught, pending);
	if (pause->errand.done_signal)
		return 0;
	return refuse(pause->why, -EOPNOTSUPP,
		      "it catches SIGURG, SIGWINCH and SIGCONT");
}

/* Get the leader ready, and the graft into the target. */
static int borrow(struct pause *pause)
{
	const struct pause_plan *plan = pause->plan;
	const struct inject_place place = {.pid = plan->pid,
					   .mem_fd = plan->mem_fd,
					   .vmas = plan->vmas,
					   .nr_vmas = plan->nr_vmas};
	int rc = choose_signal(pause);

	rc = rc ? rc : plan_graft(pause);
	if (rc)
		return rc;
	if (!gadgets_hold(&plan->gadgets, plan->mem_fd))
		return refuse(pause->why, -EBUSY,
			      "its code changed just now; try again");
	pause->inject = (struct inject){
		.thread = pause->seized.threads,
		.gadgets = plan->gadgets,
		.done_signal = pause->errand.done_signal,
		.enter_ms = plan->timeout_ms,
	};
	rc = inject_open(&pause->inject, &place, &pause->image->threads[0],
			 pause->why);
	rc = rc ? rc : map_graft(pause);
	return rc ? rc : fill_graft(pause);
}

/* What the target does not have to do itself, while the kernel forks it. */
static int look_around(struct pause *pause)
{
	struct pause_result *result = &pause->result;
	int rc;

	capture_clocks(pause->image);
	result->target_pages = forkless_pages(pause->plan->pid);
	rc = fds_capture(pause->plan->fds, pause->why);
	return rc ? rc
		  : shared_copy(pause->plan->shared, &result->shared_fd,
				&result->shared_runs, &result->nr_shared_runs,
				pause->why);
}

static int refuse_twin(const struct pause *pause, int error)
{
	struct refusal *why = pause->why;

	if (error == -ENOMEM && !graft_slot(&pause->result.graft, 0)->tid)
		return refuse_scratch(pause, error);
	switch (error) {
	case -EAGAIN:
		return refuse(why, error,
			      "there is no room for two more processes "
			      "(pids.max, RLIMIT_NPROC)");
	case -ENOTSUP:
		return refuse(why, error,
			      "it is a subreaper, and would become the parent "
			      "of its own twin");
	case -ESRCH:
		return refuse(why, error, "it was killed meanwhile");
	case -ECANCELED:
		return refuse(why, error,
			      "its twin was killed in the pause (by the OOM "
			      "killer?)");
	case -ETIMEDOUT:
		return refuse(why, error,
			      "the kernel had not forked it after %u s",
			      ERRAND_LIMIT_MS / 1000);
	}
	return refuse(why, error, "the kernel would not fork it (%s)",
		      strerror(-error));
}

static int run_errand(struct pause *pause)
{
	struct errand *errand = &pause->errand;
	uint64_t start_ns = io_monotonic_ns();
	int rc, looked;

	errand->seized = &pause->seized;
	errand->graft = &pause->result.graft;
	errand->maker_fd = pause->plan->maker_fd;
	pause->inject.at_call = false;
	errand_start(errand);
	errand_wait_helper(errand);
	looked = look_around(pause);
	rc = errand_finish(errand, pause->plan->mem_fd);
	pause->result.twin = errand->twin;
	pause->result.trace_options = pause->seized.options;
	if (looked)
		return looked;
	if (rc)
		return refuse_twin(pause, rc);
	answers_fill_timers(errand->graft, pause->image);
	return rung_add(&pause->seized, pause->image, start_ns,
			&pause->result.pending);
}

/*
 * Who else runs in its memory could change what its threads run for us, with
 * no seccomp to judge them: there must be nobody.  Where the main thread is not
 * under it there is nothing to win by that, whatever the other threads are:
 * who has the memory has the main thread.
 */
static int lift_seccomp(struct pause *pause)
{
	int rc = 0;

	if (pause->plan->seccomp || tracee_has_filter(pause->plan->pid))
		rc = admit_alone(pause->plan->pid, pause->why);
	return rc ? rc : seize_lift_seccomp(&pause->seized, pause->why);
}

/* All that needs the target stopped; it leaves no thread changed. */
static int stand_still(struct pause *pause)
{
	uint64_t *phase_ns = pause->image->phase_ns;
	uint64_t since = io_monotonic_ns();
	int rc = threads_capture(&pause->seized, pause->plan->mem_fd,
				 pause->image, &pause->result.pending,
				 pause->why);
	int back = 0;

	phase_ns[IMAGE_PHASE_READ] = lap_ns(&since);
	rc = rc ? rc : admit_children(pause->plan->pid, pause->why);
	rc = rc ? rc : lift_seccomp(pause);
	rc = rc ? rc : borrow(pause);
	rc = rc ? rc : run_errand(pause);
	if (pause->result.graft.base)
		back = unmap_graft(pause);
	pause->result.zeros_raddr = pause->inject.frame_raddr;
	pause->result.zeros_bytes = pause->inject.zero_bytes;
	if (pause->inject.frame_raddr)
		(void)inject_close(&pause->inject);
	phase_ns[IMAGE_PHASE_FORK] = lap_ns(&since);
	return rc ? rc : back;
}

static void drop(struct pause_result *result)
{
	twin_end(result->twin);
	graft_free(&result->graft);
	pending_free(&result->pending);
	free(result->shared_runs);
	if (result->shared_fd >= 0)
		(void)close(result->shared_fd);
}

/* While others stand still we do not wait for a turn, if we may say so. */
static void hurry(struct pause *pause)
{
	const struct sched_param first = {.sched_priority = 1};

	pause->policy = sched_getscheduler(0);
	if (sched_getparam(0, &pause->priority) < 0 ||
	    sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) < 0)
		pause->policy = -1;
}

static void calm_down(const struct pause *pause)
{
	if (pause->policy >= 0)
		(void)sched_setscheduler(0, pause->policy, &pause->priority);
}

int pause_run(const struct pause_plan *plan, struct image *image,
	      struct pause_result *ret_result, struct refusal *why)
{
	struct pause pause = {.plan = plan, .image = image, .why = why};
	uint64_t start_ns, since;
	int rc;

	pause.result.shared_fd = -1;
	hurry(&pause);
	start_ns = since = io_monotonic_ns();
	TRACE(pause__begin, plan->pid);
	rc = seize_all(plan->pid, TRACEE_OPTIONS, plan->timeout_ms,
		       &pause.seized, why);
	image->phase_ns[IMAGE_PHASE_STOP] = lap_ns(&since);
	if (rc == 0) {
		rc = stand_still(&pause);
		since = io_monotonic_ns();
		seize_release(&pause.seized);
		image->phase_ns[IMAGE_PHASE_LET_GO] = lap_ns(&since);
	}
	image->pause_ns = io_monotonic_ns() - start_ns;
	TRACE(pause__end, plan->pid, rc, image->pause_ns);
	calm_down(&pause);
	if (rc) {
		drop(&pause.result);
		return rc;
	}
	*ret_result = pause.result;
	return 0;
}
