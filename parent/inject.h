/* SPDX-License-Identifier: MIT */
/*
 * inject.h - one system call in a stopped thread, by code that is there
 *
 * The thread's stack, below the red zone (or, when it runs on a stack that is
 * not the kernel's, at the low end of the main stack, where nothing was ever
 * or is but zeros, and will be again):
 *
 *      frame_raddr -> [ sigreturn gadget ]     rsp of the borrowed thread
 *                     [ frame of its state ]
 *
 * It runs `syscall; ret` from there: the ret leads into rt_sigreturn, which
 * restores everything.  We stop it between the two, so it only gets that far
 * when we are dead.  Rules that make every moment safe:
 *
 *      going in     registers first, then the signal mask
 *      coming back  signal mask first, then the registers
 *
 * PTRACE_SYSCALL, never PTRACE_SINGLESTEP: the trap of a step that is under way
 * when the tracer dies kills.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"
#include "parent/gadget.h"
#include "parent/refusal.h"
#include "parent/seize.h"

struct inject {
	struct seized_thread *thread;
	struct gadgets gadgets;
	uint64_t frame_raddr;
	size_t zero_bytes; /* there, to be put back; or 0 */
	int mem_fd;	   /* borrowed */
	int done_signal;   /* all others are blocked while it is borrowed */
	int enter_ms;	   /* for the first call to begin; 0: no limit */
	bool at_call; /* stopped at a call's edge, not in the signal code */
};

struct inject_call {
	uint64_t nr, args[6];
	/*
	 * End inside the kernel's signal code instead of at the call's exit:
	 * where registers that wait in an interrupted call can be given back.
	 */
	bool last;
};

struct inject_place {
	pid_t pid;
	int mem_fd; /* /proc/PID/mem */
	const struct image_vma *vmas;
	uint32_t nr_vmas;
};

/*
 * Write the frame for @thread, whose image is @state.
 *
 * Returns 0, -EBUSY with words in @why when no place is free at this moment, or
 * -EINVAL.
 */
int inject_open(struct inject *inject, const struct inject_place *place,
		const struct image_thread *state, struct refusal *why);

/*
 * Make the call.  Blocks until it is done: also where the thread is being
 * frozen (cgroups), until it is thawed.
 *
 * *@ret_result is its result, -errno included.  Returns 0, -ESRCH when the
 * thread was killed, -EIO when it ran into a signal of its own making, or
 * -EBUSY when it did not run at all for inject->enter_ms, which only the first
 * call has: it is frozen, or the host is out of CPUs.
 */
int inject_call(struct inject *inject, const struct inject_call *call,
		int64_t *ret_result);

/*
 * Give the thread its own state back, wherever it is stopped; it stays stopped.
 * Returns 0, -ESRCH, or -EIO.
 */
int inject_close(struct inject *inject);

/* Zeros to @bytes at @raddr behind @mem_fd, /proc/PID/mem.  0 or -EIO. */
int inject_put_zeros(int mem_fd, uint64_t raddr, size_t bytes);
