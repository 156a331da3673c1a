/* SPDX-License-Identifier: MIT */
/*
 * plan.c - the order of things
 */
#include "loader/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/page.h"
#include "loader/areas.h"
#include "loader/handled.h"
#include "loader/process.h"
#include "loader/seals.h"
#include "loader/threads.h"
#include "loader/vdso.h"

/* Above the highest address that a user process can have. */
#define USER_END UINT64_C(0x7ffffffff000)

uint64_t plan_steps_addr(const struct plan *plan)
{
	return (plan->steps.data_addr + plan->steps.data_bytes + 15) &
	       ~UINT64_C(15);
}

static int lay_out(struct plan *plan)
{
	const struct image *image = plan->image;
	uint64_t at = plan->facts->hole + plan->facts->code_bytes;

	plan->frame_stride = frame_bytes(image);
	plan->frames_addr = at;
	plan->frames_bytes =
		page_ceil(PLAN_CONTROL_BYTES +
			  (uint64_t)image->nr_threads * plan->frame_stride);
	at += plan->frames_bytes;
	plan->stacks_addr = at;
	at += page_ceil((uint64_t)image->nr_threads * BLOB_STACK_BYTES);
	steps_init(&plan->steps, at);
	steps_init(&plan->laid, 0);
	return at - plan->facts->hole > PLAN_STAGING / 2 ? -E2BIG : 0;
}

struct gaps {
	uint64_t from;
	void (*visit)(void *arg, uint64_t start, uint64_t end);
	void *arg;
};

static void keep(struct gaps *gaps, uint64_t start, uint64_t end)
{
	if (start > gaps->from)
		gaps->visit(gaps->arg, gaps->from, start);
	if (end > gaps->from)
		gaps->from = end;
}

void plan_gaps(const struct image *image, const struct plan_facts *facts,
	       void (*visit)(void *arg, uint64_t start, uint64_t end),
	       void *arg)
{
	struct gaps gaps = {.visit = visit, .arg = arg};
	uint64_t hole = facts->hole;
	bool passed = false;

	for (uint32_t i = 0; i < image->nr_vmas; i++) {
		const struct image_vma *vma = &image->vmas[i];

		if (areas_choose(image, vma, facts->memory) == AREAS_NONE)
			continue;
		if (!passed && vma->start > hole) {
			keep(&gaps, hole, hole + PLAN_HOLE_BYTES);
			passed = true;
		}
		keep(&gaps, vma->start, vma->end);
	}
	if (!passed)
		keep(&gaps, hole, hole + PLAN_HOLE_BYTES);
	keep(&gaps, USER_END, USER_END);
}

static void clear_gap(void *arg, uint64_t start, uint64_t end)
{
	struct plan *plan = arg;

	steps_call(&plan->steps, SYS_munmap, start, end - start);
}

/* The areas are there already: all else that the loader has must go. */
static void clear_gaps(struct plan *plan)
{
	vdso_plan_out(plan);
	steps_about(&plan->steps, STEPS_OWN_MAPS, 0);
	plan_gaps(plan->image, plan->facts, clear_gap, plan);
	vdso_plan_in(plan);
}

/* Leave the hole and what is in it; the vdso waits there, too. */
static void plan_clear(struct plan *plan)
{
	uint64_t hole = plan->facts->hole, end = hole + PLAN_HOLE_BYTES;

	vdso_plan_out(plan);
	steps_about(&plan->steps, STEPS_OWN_MAPS, 0);
	steps_call(&plan->steps, SYS_munmap, 0, hole);
	steps_call(&plan->steps, SYS_munmap, end, USER_END - end);
	vdso_plan_in(plan);
}

/*
 * The supervisor says one byte when the guard or the pager, and the watchdog,
 * are ready.  Asked last, when that has long been so.
 */
static void plan_ask(struct plan *plan)
{
	uint64_t fd = (uint64_t)plan_fd(plan->facts, PLAN_SLOT_SUPERVISOR);
	uint8_t room = 0;

	if (!plan->nr_windows && !plan->nr_paged)
		return;
	steps_add(&plan->steps,
		  &(struct blob_step){
			  .nr = SYS_read,
			  .check = BLOB_COUNT,
			  .args = {fd, steps_data(&plan->steps, &room, 1), 1},
		  });
}

static void plan_report(struct plan *plan)
{
	const struct blob_report running = {.step = BLOB_RUNNING};
	uint64_t fd = (uint64_t)plan_fd(plan->facts, PLAN_SLOT_REPORT);
	uint64_t addr = steps_data(&plan->steps, &running, sizeof(running));

	steps_add(&plan->steps,
		  &(struct blob_step){.nr = SYS_write,
				      .check = BLOB_COUNT,
				      .args = {fd, addr, sizeof(running)}});
	steps_call(&plan->steps, SYS_close_range,
		   (uint64_t)plan->facts->fd_base, ~0u, 0);
}

/* The leader's part; @spawns gets the step that makes each thread. */
static int plan_leader(struct plan *plan, uint32_t *spawns)
{
	const struct image *image = plan->image;
	struct steps *steps = &plan->steps;
	int error;

	if (plan->facts->laid)
		clear_gaps(plan);
	else
		plan_clear(plan);
	error = areas_plan(plan);
	if (error)
		return error;
	seals_plan(plan);
	process_plan_mm(plan);
	process_plan_signals(plan);
	for (uint32_t i = 1; i < image->nr_threads; i++)
		spawns[i] = threads_plan_spawn(plan, i);
	threads_plan_self(plan, 0);
	steps_add(steps, &(struct blob_step){.op = BLOB_WAIT,
					     .args = {image->nr_threads - 1}});
	error = process_plan_timers(plan);
	if (error)
		return error;
	threads_plan_pending(plan, 0);
	threads_plan_pending(plan, image->pid);
	credentials_plan(steps, image, &plan->facts->credentials);
	process_plan_last(plan);
	if (plan->facts->ask_supervisor)
		plan_ask(plan);
	plan_report(plan);
	return 0;
}

static void plan_thread(struct plan *plan, uint32_t i, uint32_t spawn)
{
	struct steps *steps = &plan->steps;

	if (!steps->error)
		steps->list[spawn].args[2] = steps->nr;
	threads_plan_self(plan, i);
	process_plan_timer_tids(plan, plan->image->threads[i].tid);
	threads_plan_pending(plan, plan->image->threads[i].tid);
	credentials_plan(steps, plan->image, &plan->facts->credentials);
	steps_add(steps, &(struct blob_step){
				 .op = BLOB_JOIN,
				 .args = {threads_frame_addr(plan, i)},
			 });
}

static int plan_steps(struct plan *plan, uint32_t *spawns)
{
	const struct image *image = plan->image;
	int error = plan_leader(plan, spawns);
	uint32_t leave;

	if (error)
		return error;
	leave = steps_add(&plan->steps,
			  &(struct blob_step){
				  .op = BLOB_LEAVE,
				  .args = {threads_frame_addr(plan, 0),
					   plan->stacks_addr},
			  });
	for (uint32_t i = 1; i < image->nr_threads; i++)
		plan_thread(plan, i, spawns[i]);
	if (plan->steps.error || plan->laid.error)
		return -ENOMEM;
	plan->end_addr = page_ceil(plan_steps_addr(plan) +
				   plan->steps.nr * sizeof(struct blob_step));
	if (plan->end_addr - plan->stacks_addr > PLAN_LEFT_BYTES)
		plan->steps.list[leave].args[2] =
			plan->end_addr - plan->stacks_addr;
	return 0;
}

static void set_control(struct plan *plan)
{
	const struct blob_control control = {
		.steps = plan_steps_addr(plan),
		.report_fd = plan_fd(plan->facts, PLAN_SLOT_REPORT),
	};

	memcpy(plan->frames, &control, sizeof(control));
}

static int fill(struct plan *plan, struct why *why)
{
	const struct image *image = plan->image;
	uint32_t *spawns;
	int error = lay_out(plan);

	if (error)
		return error;
	error = areas_find_objects(plan);
	if (error == -E2BIG)
		return why_set(why, error,
			       "the image maps more than %u shared objects",
			       PLAN_OBJECTS_MAX);
	if (error)
		return error;
	error = handled_decide(image, &plan->pending_tids);
	if (error)
		return error;
	error = threads_build_frames(plan);
	if (error)
		return error;
	plan->own_pid_steps =
		calloc(image->nr_pending + 1, sizeof(*plan->own_pid_steps));
	spawns = calloc(image->nr_threads, sizeof(*spawns));
	error = plan->own_pid_steps && spawns ? plan_steps(plan, spawns)
					      : -ENOMEM;
	free(spawns);
	if (!error)
		set_control(plan);
	return error;
}

int plan_build(const struct image *image, const struct plan_facts *facts,
	       struct plan **ret_plan, struct why *why)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	int error;

	if (!plan)
		return -ENOMEM;
	plan->image = image;
	plan->facts = facts;
	error = fill(plan, why);
	if (error) {
		plan_free(plan);
		return why_set(why, error, "planning the child: %s",
			       strerror(-error));
	}
	*ret_plan = plan;
	return 0;
}

static void describe_vma(const struct image_vma *vma, char *text, size_t size)
{
	(void)snprintf(text, size, "mapping %" PRIx64 "-%" PRIx64 " (%s)",
		       vma->start, vma->end,
		       vma->name[0] ? vma->name : "anonymous");
}

void plan_describe(const struct plan *plan, int32_t index, char *ret_text,
		   size_t size)
{
	static const char *const words[] = {
		[STEPS_OWN_MAPS] = "clearing the address space",
		[STEPS_VDSO] = "moving the vdso",
		[STEPS_MM] = "setting brk, auxv and the exe link",
		[STEPS_SIGACTION] = "setting the action of signal",
		[STEPS_THREAD] = "making thread",
		[STEPS_TIMER] = "making POSIX timer",
		[STEPS_ITIMER] = "starting interval timer",
		[STEPS_PENDING] = "queueing pending signal",
		[STEPS_CREDENTIALS] = "becoming the image's user",
		[STEPS_SEALS] = "sealing shared memory",
		[STEPS_PROCESS] = "setting the process's limits and flags",
	};
	const struct image *image = plan->image;
	struct steps_note note;

	if (index < 0 || (uint32_t)index >= plan->steps.nr) {
		(void)snprintf(ret_text, size, "an unknown step");
		return;
	}
	note = plan->steps.notes[index];
	if (note.topic == STEPS_VMA)
		describe_vma(&image->vmas[note.index], ret_text, size);
	else if (note.topic == STEPS_THREAD)
		(void)snprintf(ret_text, size, "making thread %d",
			       image->threads[note.index].tid);
	else
		(void)snprintf(ret_text, size, "%s (%u)", words[note.topic],
			       note.index);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	steps_done(&plan->steps);
	steps_done(&plan->laid);
	free(plan->frames);
	free(plan->objects);
	free(plan->windows);
	free(plan->paged);
	free(plan->own_pid_steps);
	free(plan->timer_tid_addrs);
	free(plan->pending_tids);
	free(plan);
}
