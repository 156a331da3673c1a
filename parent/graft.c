/* SPDX-License-Identifier: MIT */
#include "parent/graft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/page.h"
#include "parent/graft_layout.h"
#include "parent/restart.h"
#include "parent/sigframe.h"

/* graft_code.S */
extern const uint8_t graft_code[], graft_code_end[], graft_thread[],
	graft_twin[], graft_done[];

#define DATA_OFFSET PAGE_BYTES

#define TWIN_SIGACTIONS_BYTES (64 * SIGACTION_BYTES)

#define CHECK_OFFSET(type, field, offset)                                      \
	_Static_assert(offsetof(type, field) == (offset), #field)

CHECK_OFFSET(struct graft_args, data_raddr, ARGS_DATA);
CHECK_OFFSET(struct graft_args, data_bytes, ARGS_DATA_BYTES);
CHECK_OFFSET(struct graft_args, done_signal, ARGS_DONE_SIGNAL);
CHECK_OFFSET(struct graft_args, areas_raddr, ARGS_AREAS);
CHECK_OFFSET(struct graft_args, nr_areas, ARGS_NR_AREAS);
CHECK_OFFSET(struct graft_args, timers_raddr, ARGS_TIMERS);
CHECK_OFFSET(struct graft_args, nr_timers, ARGS_NR_TIMERS);
CHECK_OFFSET(struct graft_args, subreaper, ARGS_SUBREAPER);
CHECK_OFFSET(struct graft_args, helper, ARGS_HELPER);
CHECK_OFFSET(struct graft_args, twin, ARGS_TWIN);
CHECK_OFFSET(struct graft_args, reaped, ARGS_REAPED);
CHECK_OFFSET(struct graft_args, brk, ARGS_BRK);
CHECK_OFFSET(struct graft_args, itimers, ARGS_ITIMERS);
_Static_assert(sizeof(struct graft_args) == ARGS_END, "args");
_Static_assert(sizeof(struct graft_itimer) == ITIMER_STRIDE, "itimer");
CHECK_OFFSET(struct graft_slot, tid, SLOT_TID);
CHECK_OFFSET(struct graft_slot, altstack_sp, SLOT_ALTSTACK);
CHECK_OFFSET(struct graft_slot, tid_addr, SLOT_TID_ADDR);
CHECK_OFFSET(struct graft_slot, comm, SLOT_COMM);
CHECK_OFFSET(struct graft_slot, is_leader, SLOT_IS_LEADER);
_Static_assert(sizeof(struct graft_slot) == SLOT_FRAME, "slot");
CHECK_OFFSET(struct graft_timer, id, TIMER_ID);
CHECK_OFFSET(struct graft_timer, interval_s, TIMER_VALUE);
_Static_assert(sizeof(struct graft_timer) == TIMER_STRIDE, "timer");
_Static_assert(sizeof(struct graft_prctls) == 3 * 8, "the code knows it");
_Static_assert(SLOT_FRAME % SIGFRAME_ALIGN == 0, "frames are aligned");
_Static_assert(ARGS_END % SIGFRAME_ALIGN == 0, "slots are aligned");

static size_t align(size_t bytes)
{
	return (bytes + SIGFRAME_ALIGN - 1) & ~(size_t)(SIGFRAME_ALIGN - 1);
}

static size_t slot_offset(const struct graft *graft, uint32_t slot)
{
	return DATA_OFFSET + sizeof(struct graft_args) +
	       slot * graft->slot_stride;
}

static struct graft_args *args_of(struct graft *graft)
{
	return (struct graft_args *)(graft->image + DATA_OFFSET);
}

static void lay_out(const struct graft_plan *plan, struct graft *graft)
{
	size_t twins = TWIN_SIGACTIONS_BYTES + sizeof(struct graft_prctls);
	size_t end;

	graft->nr_slots = plan->nr_slots;
	graft->sigreturn = plan->sigreturn;
	graft->nr_areas = plan->nr_areas;
	graft->nr_timers = plan->nr_timers;
	graft->slot_stride = align(sizeof(struct graft_slot) +
				   sigframe_bytes(plan->xstate_bytes));
	graft->areas_offset = slot_offset(graft, plan->nr_slots);
	graft->timers_offset = graft->areas_offset +
			       graft->nr_areas * sizeof(struct graft_area);
	graft->image_bytes = graft->timers_offset +
			     graft->nr_timers * sizeof(struct graft_timer);
	end = slot_offset(graft, 0) + twins;
	graft->bytes =
		page_ceil(graft->image_bytes > end ? graft->image_bytes : end);
}

static void fill_lists(const struct graft_plan *plan, struct graft *graft)
{
	struct graft_timer *timer =
		(void *)(graft->image + graft->timers_offset);

	if (plan->nr_areas)
		memcpy(graft->image + graft->areas_offset, plan->areas,
		       plan->nr_areas * sizeof(*plan->areas));
	for (uint32_t i = 0; i < plan->nr_timers; i++)
		timer[i].id = plan->timers[i].id;
}

int graft_plan(const struct graft_plan *plan, struct graft *ret_graft)
{
	struct graft graft = {0};

	lay_out(plan, &graft);
	graft.image = calloc(1, graft.image_bytes);
	if (!graft.image)
		return -ENOMEM;
	memcpy(graft.image, graft_code, (size_t)(graft_code_end - graft_code));
	*args_of(&graft) = (struct graft_args){
		.done_signal = (uint64_t)plan->done_signal,
		.nr_areas = graft.nr_areas,
		.nr_timers = graft.nr_timers,
		.helper = -ECANCELED,
		.twin = -ECANCELED,
	};
	((struct graft_slot *)(graft.image + slot_offset(&graft, 0)))
		->is_leader = 1;
	fill_lists(plan, &graft);
	*ret_graft = graft;
	return 0;
}

void graft_place(struct graft *graft, uint64_t base)
{
	struct graft_args *args = args_of(graft);

	graft->base = base;
	args->data_raddr = base + DATA_OFFSET;
	args->data_bytes = graft->bytes - DATA_OFFSET;
	args->areas_raddr = base + graft->areas_offset;
	args->timers_raddr = base + graft->timers_offset;
}

int graft_set_frame(struct graft *graft, uint32_t slot, int mem_fd,
		    const struct user_regs_struct *regs,
		    const struct image_thread *thread)
{
	size_t offset = slot_offset(graft, slot) + SLOT_FRAME;
	struct sigframe_state state = {
		.regs = *regs,
		.sigmask = thread->sigmask,
		.xstate = thread->xstate,
		.xstate_bytes = thread->xstate_bytes,
	};

	restart_settle_in(mem_fd, &state.regs);
	return sigframe_build(&state, graft->base + offset, graft->sigreturn,
			      graft->image + offset);
}

/* The code, and the data: not the rest of the code's page. */
int graft_write(const struct graft *graft, int mem_fd)
{
	const size_t code_bytes = (size_t)(graft_code_end - graft_code);
	const size_t data_bytes = graft->image_bytes - DATA_OFFSET;

	if (pwrite(mem_fd, graft->image, code_bytes, (off_t)graft->base) !=
		    (ssize_t)code_bytes ||
	    pwrite(mem_fd, graft->image + DATA_OFFSET, data_bytes,
		   (off_t)(graft->base + DATA_OFFSET)) != (ssize_t)data_bytes)
		return -EIO;
	return 0;
}

int graft_read(struct graft *graft, int mem_fd)
{
	const size_t bytes = graft->image_bytes - DATA_OFFSET;

	if (pread(mem_fd, graft->image + DATA_OFFSET, bytes,
		  (off_t)(graft->base + DATA_OFFSET)) != (ssize_t)bytes)
		return -EIO;
	return 0;
}

const struct graft_args *graft_args(const struct graft *graft)
{
	return (const struct graft_args *)(graft->image + DATA_OFFSET);
}

const struct graft_slot *graft_slot(const struct graft *graft, uint32_t slot)
{
	return (const struct graft_slot *)(graft->image +
					   slot_offset(graft, slot));
}

const struct graft_timer *graft_timers(const struct graft *graft)
{
	return (const struct graft_timer *)(graft->image +
					    graft->timers_offset);
}

static uint64_t code_raddr(const struct graft *graft, const uint8_t *label)
{
	return graft->base + (uint64_t)(label - graft_code);
}

void graft_enter(const struct graft *graft, uint32_t slot,
		 struct user_regs_struct *regs)
{
	regs->rip = code_raddr(graft, graft_thread);
	regs->rbp = graft->base + DATA_OFFSET;
	regs->rbx = graft->base + slot_offset(graft, slot);
	regs->orig_rax = UINT64_MAX;
}

void graft_enter_twin(const struct graft *graft, struct user_regs_struct *regs)
{
	regs->rip = code_raddr(graft, graft_twin);
	regs->rbp = graft->base + DATA_OFFSET;
	regs->rbx = graft_sigactions_raddr(graft);
	regs->orig_rax = UINT64_MAX;
}

uint64_t graft_sigactions_raddr(const struct graft *graft)
{
	return graft->base + slot_offset(graft, 0);
}

uint64_t graft_prctls_raddr(const struct graft *graft)
{
	return graft_sigactions_raddr(graft) + TWIN_SIGACTIONS_BYTES;
}

uint64_t graft_brk_raddr(const struct graft *graft)
{
	return graft->base + DATA_OFFSET + ARGS_BRK;
}

uint64_t graft_done_ip(const struct graft *graft)
{
	return code_raddr(graft, graft_done);
}

void graft_free(struct graft *graft)
{
	free(graft->image);
	*graft = (struct graft){0};
}
