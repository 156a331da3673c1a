/* SPDX-License-Identifier: MIT */
#include "parent/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "parent/restart.h"
#include "parent/sigframe.h"
#include "parent/tracee.h"

#define RED_ZONE_BYTES 128u

/* /proc/PID/pagemap: present, or swapped out */
#define PAGEMAP_TOUCHED (3ull << 62)

#define FRAME_PAGES_MAX 8

/*
 * Where @rsp is on the stack @vma, which may have grown since it was listed,
 * the bytes below its red zone are free by the ABI.
 */
static uint64_t below_red_zone(const struct image_vma *vma, uint64_t floor,
			       uint64_t rsp, size_t bytes)
{
	uint64_t raddr = (rsp - RED_ZONE_BYTES - bytes) &
			 ~(uint64_t)(SIGFRAME_ALIGN - 1);

	if (rsp > vma->end || rsp < bytes + PAGE_BYTES)
		return 0;
	return raddr > floor ? raddr : 0;
}

/* The low end of the stack @vma, when it was never touched. */
static uint64_t untouched_end(pid_t pid, const struct image_vma *vma,
			      size_t bytes)
{
	uint64_t entries[FRAME_PAGES_MAX];
	const size_t nr = page_of(page_ceil(bytes));
	CLEANUP_CLOSE int fd = -1;
	char path[40];

	if (nr > FRAME_PAGES_MAX || vma->start + bytes > vma->end)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, entries, nr * sizeof(*entries),
			    (off_t)(page_of(vma->start) * sizeof(*entries))) !=
			      (ssize_t)(nr * sizeof(*entries)))
		return 0;
	for (size_t i = 0; i < nr; i++)
		if (entries[i] & PAGEMAP_TOUCHED)
			return 0;
	return vma->start;
}

static uint64_t find_spot(const struct inject_place *place, uint64_t rsp,
			  size_t bytes)
{
	uint64_t floor = 0, spot = 0;

	for (uint32_t i = 0; i < place->nr_vmas && !spot; i++) {
		const struct image_vma *vma = &place->vmas[i];

		if (vma->kind == IMAGE_VMA_STACK)
			spot = below_red_zone(vma, floor, rsp, bytes);
		floor = vma->end;
	}
	for (uint32_t i = 0; i < place->nr_vmas && !spot; i++)
		if (place->vmas[i].kind == IMAGE_VMA_STACK)
			spot = untouched_end(place->pid, &place->vmas[i],
					     bytes);
	return spot;
}

int inject_open(struct inject *inject, const struct inject_place *place,
		const struct image_thread *state, struct refusal *why)
{
	const size_t bytes = sigframe_bytes(state->xstate_bytes);
	struct sigframe_state back = {
		.regs = inject->thread->regs,
		.sigmask = state->sigmask,
		.xstate = state->xstate,
		.xstate_bytes = state->xstate_bytes,
	};
	CLEANUP_FREE uint8_t *frame = malloc(bytes);
	uint64_t raddr = find_spot(place, back.regs.rsp, bytes);
	int rc;

	if (!frame)
		return -ENOMEM;
	restart_settle_in(place->mem_fd, &back.regs);
	rc = sigframe_build(&back, raddr, inject->gadgets.sigreturn, frame);
	if (rc)
		return rc;
	if (!raddr ||
	    pwrite(place->mem_fd, frame, bytes, (off_t)raddr) != (ssize_t)bytes)
		return refuse(
			why, -EBUSY,
			"its stack has no room at this moment; try again");
	inject->frame_raddr = raddr;
	return 0;
}

static int enter(const struct inject *inject, const struct inject_call *call)
{
	struct user_regs_struct regs = inject->thread->regs;
	int rc;

	regs.rip = inject->gadgets.syscall_ret;
	regs.rsp = inject->frame_raddr;
	regs.orig_rax = UINT64_MAX;
	regs.rax = call->nr;
	regs.rdi = call->args[0];
	regs.rsi = call->args[1];
	regs.rdx = call->args[2];
	regs.r10 = call->args[3];
	regs.r8 = call->args[4];
	regs.r9 = call->args[5];
	rc = tracee_set_regs(inject->thread->tid, &regs);
	return rc ? rc : tracee_set_sigmask(inject->thread->tid, inject->mask);
}

/*
 * Run to the next stop of kind @event; 0, -ESRCH or -EIO.  A signal that is
 * blocked and comes all the same is a fault.
 */
static int run_to(const struct inject *inject, enum tracee_event event)
{
	struct seized_thread *thread = inject->thread;
	struct tracee_stop stop;
	pid_t got;
	int rc;

	do {
		/* Any other stop takes the wish to stop away with it. */
		rc = event == TRACEE_STOP ? tracee_interrupt(thread->tid) : 0;
		rc = rc ? rc
			: tracee_resume(thread->tid, event == TRACEE_SYSCALL);
		if (rc)
			return rc;
		do
			got = tracee_wait(thread->tid, &stop);
		while (got == -EINTR);
		if (got < 0 || stop.event == TRACEE_GONE) {
			thread->gone = true;
			return -ESRCH;
		}
		if (stop.event == TRACEE_SIGNAL) {
			if (stop.signo != SIGSTOP &&
			    (inject->mask >> (stop.signo - 1) & 1))
				return -EIO;
			thread->held |= 1ull << (stop.signo - 1);
		}
	} while (stop.event != event);
	return 0;
}

int inject_call(struct inject *inject, const struct inject_call *call,
		int64_t *ret_result)
{
	struct user_regs_struct regs;
	int rc = enter(inject, call);

	inject->at_call = !call->last;
	rc = rc ? rc : run_to(inject, TRACEE_SYSCALL); /* its entry */
	if (rc == 0)
		rc = run_to(inject, call->last ? TRACEE_STOP : TRACEE_SYSCALL);
	rc = rc ? rc : tracee_get_regs(inject->thread->tid, &regs);
	if (rc)
		return rc;
	*ret_result = (int64_t)regs.rax;
	return 0;
}

int inject_close(struct inject *inject)
{
	int rc = 0;

	/* Interrupted now, it stops again before it leaves the kernel. */
	if (inject->at_call)
		rc = run_to(inject, TRACEE_STOP);
	inject->at_call = false;
	return rc ? rc : seize_restore(inject->thread);
}
