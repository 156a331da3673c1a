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
#include "parent/limit.h"
#include "parent/restart.h"
#include "parent/sigframe.h"
#include "parent/tracee.h"

#define RED_ZONE_BYTES 128u

/* /proc/PID/pagemap: present, or swapped out */
#define PAGEMAP_PRESENT (2ull << 62)
#define PAGEMAP_TOUCHED (3ull << 62)

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

/* The pages of a stack that may be looked at for a place, from its low end. */
#define LOOK_PAGES_MAX 64u
/* Near its high end are the frames that led to the stack in use now. */
#define KEEP_PAGES 8u

struct low_end {
	int mem_fd;
	uint64_t start;
	size_t nr_pages; /* of it, @entries of pagemap */
	uint64_t entries[LOOK_PAGES_MAX];
};

static int low_end_read(const struct inject_place *place,
			const struct image_vma *vma, struct low_end *low)
{
	size_t nr = page_of(vma->end - vma->start);
	CLEANUP_CLOSE int fd = -1;
	char path[40];
	ssize_t len;

	*low = (struct low_end){.mem_fd = place->mem_fd, .start = vma->start};
	if (nr <= KEEP_PAGES)
		return 0;
	nr = nr - KEEP_PAGES < LOOK_PAGES_MAX ? nr - KEEP_PAGES
					      : LOOK_PAGES_MAX;
	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", place->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = (ssize_t)(nr * sizeof(*low->entries));
	if (fd < 0 ||
	    pread(fd, low->entries, (size_t)len,
		  (off_t)(page_of(vma->start) * sizeof(uint64_t))) != len)
		return -EIO;
	low->nr_pages = nr;
	return 0;
}

static bool is_zero(const struct low_end *low, size_t page)
{
	uint64_t words[PAGE_BYTES / sizeof(uint64_t)], any = 0;

	if (pread(low->mem_fd, words, sizeof(words),
		  (off_t)(low->start + page * PAGE_BYTES)) != sizeof(words))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		any |= words[i];
	return !any;
}

static bool is_free(const struct low_end *low, size_t page)
{
	return !(low->entries[page] & PAGEMAP_TOUCHED);
}

/* The first @nr pages in a row that were never touched. */
static uint64_t untouched(const struct low_end *low, size_t nr)
{
	size_t free = 0;

	for (size_t i = 0; i < low->nr_pages; i++) {
		free = is_free(low, i) ? free + 1 : 0;
		if (free == nr)
			return low->start + (i + 1 - nr) * PAGE_BYTES;
	}
	return 0;
}

/*
 * The lowest @nr pages, with nothing but zeros in them, as a snapshot before
 * this one has left them.  Not any pages of zeros: these could be a buffer in
 * use, and we could die before they are zeros again.  One that lies at the very
 * end would have been deeper than all calls from its function.
 */
static uint64_t zeroed(const struct low_end *low, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (i >= low->nr_pages ||
		    (!is_free(low, i) &&
		     (!(low->entries[i] & PAGEMAP_PRESENT) ||
		      !is_zero(low, i))))
			return 0;
	return low->start;
}

/*
 * Its thread is on another stack: a place at the low end of the stack @vma, as
 * far as can be from what is in use there.
 */
static uint64_t at_low_end(const struct inject_place *place,
			   const struct image_vma *vma, size_t bytes)
{
	struct low_end low;
	uint64_t spot;

	if (low_end_read(place, vma, &low))
		return 0;
	spot = untouched(&low, page_of(page_ceil(bytes)));
	return spot ? spot : zeroed(&low, page_of(page_ceil(bytes)));
}

struct spot {
	uint64_t raddr; /* 0: none */
	bool is_zero;	/* and is to be so again */
};

static struct spot find_spot(const struct inject_place *place, uint64_t rsp,
			     size_t bytes)
{
	struct spot spot = {0};
	uint64_t floor = 0;

	for (uint32_t i = 0; i < place->nr_vmas && !spot.raddr; i++) {
		const struct image_vma *vma = &place->vmas[i];

		if (vma->kind == IMAGE_VMA_STACK)
			spot.raddr = below_red_zone(vma, floor, rsp, bytes);
		floor = vma->end;
	}
	for (uint32_t i = 0; i < place->nr_vmas && !spot.raddr; i++)
		if (place->vmas[i].kind == IMAGE_VMA_STACK)
			spot = (struct spot){
				at_low_end(place, &place->vmas[i], bytes),
				true};
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
	struct spot spot = find_spot(place, back.regs.rsp, bytes);
	int rc;

	if (!frame)
		return -ENOMEM;
	restart_settle_in(place->mem_fd, &back.regs);
	rc = sigframe_build(&back, spot.raddr, inject->gadgets.sigreturn,
			    frame);
	if (rc)
		return rc;
	inject->zero_bytes = spot.is_zero ? bytes : 0;
	inject->mem_fd = place->mem_fd;
	if (!spot.raddr || pwrite(place->mem_fd, frame, bytes,
				  (off_t)spot.raddr) != (ssize_t)bytes)
		return refuse(
			why, -EBUSY,
			"its stack has no room at this moment; try again");
	inject->frame_raddr = spot.raddr;
	return 0;
}

static uint64_t blocked(const struct inject *inject)
{
	return inject->done_signal ? ~(1ull << (inject->done_signal - 1))
				   : UINT64_MAX;
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
	return rc ? rc
		  : tracee_set_sigmask(inject->thread->tid, blocked(inject));
}

/* 0, -ESRCH, or -ETIME behind @limit, which may be NULL. */
static int await_stop(const struct inject *inject, const struct limit *limit,
		      struct tracee_stop *ret_stop)
{
	pid_t got;

	do
		got = tracee_look(inject->thread->tid, ret_stop);
	while (got == -EINTR && !(limit && limit_is_over(limit)));
	if (got == -EINTR)
		return -ETIME;
	if (got >= 0 && ret_stop->event != TRACEE_GONE)
		return 0;
	inject->thread->gone = true;
	return -ESRCH;
}

/*
 * Run to the next stop of kind @event; 0, -ESRCH, -ETIME or -EIO.  A signal
 * that is blocked and comes all the same is a fault.
 */
static int run_to(const struct inject *inject, enum tracee_event event,
		  const struct limit *limit)
{
	struct seized_thread *thread = inject->thread;
	struct tracee_stop stop;
	int rc, signo = 0;

	do {
		/* Any other stop takes the wish to stop away with it. */
		rc = event == TRACEE_STOP ? tracee_interrupt(thread->tid) : 0;
		rc = rc ? rc
			: tracee_deliver(thread->tid, signo,
					 event == TRACEE_SYSCALL);
		rc = rc ? rc : await_stop(inject, limit, &stop);
		if (rc)
			return rc;
		signo = 0;
		if (stop.event != TRACEE_SIGNAL)
			continue;
		if (stop.signo != SIGSTOP && stop.signo != inject->done_signal)
			return -EIO;
		signo = seize_pass(thread, stop.signo, inject->done_signal);
	} while (stop.event != event);
	return 0;
}

/*
 * A frozen thread wakes up to stop, and when it is resumed, freezes again
 * before it has run.  Nothing has happened yet, so it can be let alone.
 */
static int give_up(struct inject *inject)
{
	struct tracee_stop stop;
	int rc = tracee_interrupt(inject->thread->tid);

	rc = rc ? rc : await_stop(inject, NULL, &stop);
	if (rc || stop.event == TRACEE_SYSCALL) /* it was on its way */
		return rc;
	if (stop.event == TRACEE_SIGNAL) /* SIGSTOP: it has it back then */
		(void)seize_pass(inject->thread, stop.signo, SIGCONT);
	inject->at_call = false;
	return -EBUSY;
}

/* To the entry of the call that is set up. */
static int begin(struct inject *inject)
{
	struct limit limit;
	int rc;

	if (!inject->enter_ms)
		return run_to(inject, TRACEE_SYSCALL, NULL);
	rc = limit_set(&limit, inject->enter_ms);
	if (rc)
		return rc;
	rc = run_to(inject, TRACEE_SYSCALL, &limit);
	limit_clear(&limit);
	inject->enter_ms = 0;
	return rc == -ETIME ? give_up(inject) : rc;
}

int inject_call(struct inject *inject, const struct inject_call *call,
		int64_t *ret_result)
{
	struct user_regs_struct regs;
	int rc = enter(inject, call);

	inject->at_call = !call->last;
	rc = rc ? rc : begin(inject);
	if (rc == 0)
		rc = run_to(inject, call->last ? TRACEE_STOP : TRACEE_SYSCALL,
			    NULL);
	rc = rc ? rc : tracee_get_regs(inject->thread->tid, &regs);
	if (rc)
		return rc;
	*ret_result = (int64_t)regs.rax;
	return 0;
}

/* In pieces, so that there is nothing to fail for want of memory. */
int inject_put_zeros(int mem_fd, uint64_t raddr, size_t bytes)
{
	static const uint8_t zeros[PAGE_BYTES];

	while (bytes) {
		size_t len = bytes < sizeof(zeros) ? bytes : sizeof(zeros);

		if (pwrite(mem_fd, zeros, len, (off_t)raddr) != (ssize_t)len)
			return -EIO;
		raddr += len;
		bytes -= len;
	}
	return 0;
}

int inject_close(struct inject *inject)
{
	int rc = 0;

	/* Interrupted now, it stops again before it leaves the kernel. */
	if (inject->at_call)
		rc = run_to(inject, TRACEE_STOP, NULL);
	inject->at_call = false;
	rc = rc ? rc : seize_restore(inject->thread);
	/* Nobody needs the frame any more, and the next snapshot the place. */
	return rc ? rc
		  : inject_put_zeros(inject->mem_fd, inject->frame_raddr,
				     inject->zero_bytes);
}
