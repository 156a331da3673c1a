/* SPDX-License-Identifier: MIT */
/*
 * process.c - kernel structures of the calls are built here, not in the image
 */
#include "loader/process.h"

#include <errno.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "common/cleanup.h"

#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS 77 /* kernel 6.15 */
#endif

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* glibc */
#endif

#define SIGSET_BYTES  8
#define NS_PER_SECOND UINT64_C(1000000000)
#define US_PER_SECOND UINT64_C(1000000)
#define AUXV_BYTES_MAX                                                         \
	368u /* 46 words; the kernel's saved_auxv is no smaller */

void process_plan_mm(struct plan *plan)
{
	const struct image_mm *mm = &plan->image->mm;
	const struct image_text *auxv = image_text(plan->image, "auxv");
	struct steps *steps = &plan->steps;
	struct prctl_mm_map map = {
		.start_code = mm->start_code,
		.end_code = mm->end_code,
		.start_data = mm->start_data,
		.end_data = mm->end_data,
		.start_brk = mm->start_brk,
		.brk = mm->brk,
		.start_stack = mm->start_stack,
		.arg_start = mm->arg_start,
		.arg_end = mm->arg_end,
		.env_start = mm->env_start,
		.env_end = mm->env_end,
		.exe_fd =
			plan->facts->set_exe
				? (uint32_t)plan_fd(plan->facts, PLAN_SLOT_EXE)
				: (uint32_t)-1,
	};

	steps_about(steps, STEPS_MM, 0);
	if (auxv && auxv->len_bytes) {
		map.auxv_size = auxv->len_bytes < AUXV_BYTES_MAX
					? auxv->len_bytes
					: AUXV_BYTES_MAX;
		map.auxv =
			(void *)steps_data(steps, auxv->bytes, map.auxv_size);
	}
	steps_call(steps, SYS_prctl, PR_SET_MM, PR_SET_MM_MAP,
		   steps_data(steps, &map, sizeof(map)), sizeof(map));
}

/* As the child has them all to begin with (nspace_default_signals()). */
static bool is_default(const struct image_sigaction *action)
{
	return !action->handler && !action->flags && !action->restorer &&
	       !action->mask;
}

void process_plan_signals(struct plan *plan)
{
	const struct image *image = plan->image;
	struct steps *steps = &plan->steps;

	for (uint32_t i = 0; i < IMAGE_SIGNALS; i++) {
		uint32_t signo = i + 1;

		if (signo == SIGKILL || signo == SIGSTOP ||
		    is_default(&image->sigactions[i]))
			continue;
		steps_about(steps, STEPS_SIGACTION, signo);
		/* struct image_sigaction has the order of the kernel's. */
		steps_call(steps, SYS_rt_sigaction, signo,
			   steps_data(steps, &image->sigactions[i],
				      sizeof(image->sigactions[i])),
			   0, SIGSET_BYTES);
	}
	steps_about(steps, STEPS_PROCESS, 0);
	if (image->thp_disable) /* about speed; a kernel may not know its flags
				 */
		steps_try(steps, SYS_prctl, PR_SET_THP_DISABLE, 1,
			  image->thp_disable & ~1u);
	steps_add(steps, &(struct blob_step){.nr = SYS_personality,
					     .check = BLOB_FD, /* the old one */
					     .args = {image->personality}});
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / NS_PER_SECOND),
		.tv_nsec = (long)(ns % NS_PER_SECOND),
	};
}

static struct timeval timeval_of(uint64_t us)
{
	return (struct timeval){
		.tv_sec = (time_t)(us / US_PER_SECOND),
		.tv_usec = (suseconds_t)(us % US_PER_SECOND),
	};
}

/*
 * A periodic timer whose signal is still pending has no time left: the kernel
 * starts its next period when the signal is taken.  The signal is queued anew
 * by itself, so here the period begins.  Only of those that a stop leaves
 * without an interval: ITIMER_REAL and timer_create(2).
 */
static uint64_t first_of(uint64_t value, uint64_t interval)
{
	return value ? value : interval;
}

/* The timers of CPU time keep theirs when they are off, and never wait. */
static struct timeval first_of_itimer(const struct image_itimer *timer,
				      int which)
{
	return timeval_of(which == ITIMER_REAL ? first_of(timer->value_us,
							  timer->interval_us)
					       : timer->value_us);
}

/* By the thread that has the new one of the image's @tid. */
static void plan_tid(struct plan *plan, uint32_t timer, int32_t tid)
{
	steps_add(&plan->steps,
		  &(struct blob_step){
			  .op = BLOB_PATCH_TID,
			  .args = {plan->timer_tid_addrs[timer], (uint32_t)tid},
		  });
}

static bool is_patched(const struct plan *plan, uint32_t i, int32_t tid)
{
	const struct image_timer *timer = &plan->image->timers[i];

	return plan->facts->new_pid && image_timer_is_of_thread(timer) &&
	       timer->target_tid == tid;
}

void process_plan_timer_tids(struct plan *plan, int32_t tid)
{
	for (uint32_t i = 0; i < plan->image->nr_timers; i++)
		if (is_patched(plan, i, tid))
			plan_tid(plan, i, tid);
}

/* A thread that has ended is told nothing any more: its timer only runs. */
static uint64_t plan_event(struct plan *plan, uint32_t i)
{
	const struct image_timer *timer = &plan->image->timers[i];
	struct sigevent event = {
		.sigev_signo = timer->signo,
		.sigev_notify = timer->notify,
		.sigev_value = {.sival_ptr = (void *)timer->sigval},
	};
	uint64_t addr;

	if (image_timer_is_of_thread(timer))
		event.sigev_notify_thread_id = timer->target_tid;
	if (image_timer_is_of_thread(timer) &&
	    !image_has_thread(plan->image, timer->target_tid))
		event.sigev_notify = SIGEV_NONE;
	addr = steps_data(&plan->steps, &event, sizeof(event));
	plan->timer_tid_addrs[i] =
		addr + offsetof(struct sigevent, sigev_notify_thread_id);
	return addr;
}

static void plan_timer(struct plan *plan, uint32_t i)
{
	const struct image_timer *timer = &plan->image->timers[i];
	struct steps *steps = &plan->steps;
	struct itimerspec spec = {
		.it_value = timespec_of(
			first_of(timer->value_ns, timer->interval_ns)),
		.it_interval = timespec_of(timer->interval_ns),
	};
	int32_t id = timer->id;
	uint64_t event;

	steps_about(steps, STEPS_TIMER, i);
	event = plan_event(plan, i);
	if (is_patched(plan, i, plan->image->pid))
		plan_tid(plan, i, plan->image->pid);
	steps_add(steps,
		  &(struct blob_step){
			  .op = BLOB_TIMER,
			  .args = {(uint64_t)timer->clockid, event,
				   (uint64_t)timer->id,
				   steps_data(steps, &spec, sizeof(spec)),
				   steps_data(steps, &id, sizeof(id))},
		  });
}

static int compare_timers(const void *left, const void *right)
{
	const struct image_timer *const *a = left, *const *b = right;

	return ((*a)->id > (*b)->id) - ((*a)->id < (*b)->id);
}

/* The blob reaches an id by counting up to it, where it must. */
static int plan_timers_by_id(struct plan *plan)
{
	const struct image *image = plan->image;
	CLEANUP_FREE const struct image_timer **sorted =
		calloc(image->nr_timers, sizeof(*sorted));

	plan->timer_tid_addrs =
		calloc(image->nr_timers, sizeof(*plan->timer_tid_addrs));
	if (!sorted || !plan->timer_tid_addrs)
		return -ENOMEM;
	for (uint32_t i = 0; i < image->nr_timers; i++)
		sorted[i] = &image->timers[i];
	qsort(sorted, image->nr_timers, sizeof(*sorted), compare_timers);
	steps_try(&plan->steps, SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, 1);
	for (uint32_t i = 0; i < image->nr_timers; i++)
		plan_timer(plan, (uint32_t)(sorted[i] - image->timers));
	steps_try(&plan->steps, SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, 0);
	return 0;
}

int process_plan_timers(struct plan *plan)
{
	const struct image *image = plan->image;
	int error = image->nr_timers ? plan_timers_by_id(plan) : 0;

	for (int i = 0; i < 3; i++) {
		const struct image_itimer *timer = &image->itimers[i];
		struct itimerval value = {
			.it_value = first_of_itimer(timer, i),
			.it_interval = timeval_of(timer->interval_us),
		};

		if (!timer->value_us && !timer->interval_us)
			continue;
		steps_about(&plan->steps, STEPS_ITIMER, (uint32_t)i);
		steps_call(&plan->steps, SYS_setitimer, (uint64_t)i,
			   steps_data(&plan->steps, &value, sizeof(value)));
	}
	return error;
}

void process_plan_last(struct plan *plan)
{
	const struct plan_facts *facts = plan->facts;
	struct steps *steps = &plan->steps;

	steps_about(steps, STEPS_PROCESS, 0);
	if (facts->nofile) {
		/* The hard limit stays: only the soft one was raised. */
		struct rlimit64 limit = {.rlim_cur = facts->nofile,
					 .rlim_max = facts->nofile_max};

		steps_call(steps, SYS_prlimit64, 0, RLIMIT_NOFILE,
			   steps_data(steps, &limit, sizeof(limit)));
	}
	/*
	 * Giving up privilege made the process undumpable.  It stays so for
	 * whom the parent kept away from its memory, but not for us, who have
	 * to reach it: without privilege a loader is the child's own user.
	 */
	steps_call(steps, SYS_prctl, PR_SET_DUMPABLE,
		   plan->image->dumpable == 1 || !facts->may_trace);
	if (facts->die_with_parent)
		steps_call(steps, SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
}
