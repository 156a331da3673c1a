/* SPDX-License-Identifier: MIT */
/*
 * graft.h - the scratch area that a target gets for the length of its pause
 *
 *   base          [ code, read and execute            ]  graft_code.S
 *   base + 4096   [ args | slot 0 | slot 1 | ... |       ]  the code makes
 *                 [ areas to fork all the same | timers ]  this part writable
 *
 * Each thread has a slot: answers, and the signal frame that brings it back.
 * Here is only the making and reading of those bytes: how threads are sent
 * there is inject.h's and snapshot.c's.
 *
 * Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "common/image.h"

struct graft_area {
	uint64_t raddr, bytes;
};

struct graft_timer {
	int64_t id;
	int64_t interval_s, interval_ns, value_s, value_ns;
};

struct graft_itimer {
	int64_t interval_s, interval_us, value_s, value_us;
};

/* What the code reads, and its answers from @subreaper on. */
struct graft_args {
	uint64_t data_raddr, data_bytes;
	uint64_t done_signal;
	uint64_t areas_raddr, nr_areas;
	uint64_t timers_raddr, nr_timers;
	int64_t subreaper;
	int64_t helper; /* its pid as the target sees it, or -errno */
	int64_t twin;
	int64_t reaped;
	uint64_t brk;
	struct graft_itimer itimers[3];
};

struct graft_slot {
	int64_t tid; /* as the thread sees itself; 0: it did not get there */
	uint64_t altstack_sp;
	uint32_t altstack_flags, pad;
	uint64_t altstack_bytes;
	uint64_t tid_addr;
	char comm[16];
	uint64_t is_leader;
	/* its signal frame follows */
};

struct graft {
	uint64_t base; /* in the target; 0 while it has none */
	uint64_t sigreturn;
	size_t bytes;	/* of the whole area, page aligned */
	uint8_t *image; /* the bytes to write there */
	size_t image_bytes;
	uint32_t nr_slots;
	size_t slot_stride;
	size_t areas_offset, timers_offset;
	uint32_t nr_areas, nr_timers;
};

struct graft_plan {
	uint32_t nr_slots, xstate_bytes;
	const struct graft_area
		*areas; /* DONTFORK, to be forked all the same */
	uint32_t nr_areas;
	const struct image_timer *timers;
	uint32_t nr_timers;
	int done_signal;
	uint64_t sigreturn; /* gadget.h */
};

/* Lay the area out.  0 or -ENOMEM; graft_free(). */
int graft_plan(const struct graft_plan *plan, struct graft *ret_graft);

/* Now that the area lies at @base: set all addresses in it. */
void graft_place(struct graft *graft, uint64_t base);

/*
 * Put the way back of thread @slot in: it returns to @regs, settled (@mem_fd is
 * its memory), with the mask and XSAVE area of @thread.  0 or -EINVAL.
 */
int graft_set_frame(struct graft *graft, uint32_t slot, int mem_fd,
		    const struct user_regs_struct *regs,
		    const struct image_thread *thread);

/* Write the area through @mem_fd, /proc/PID/mem.  0 or -errno. */
int graft_write(const struct graft *graft, int mem_fd);

/* Read the answers back. */
int graft_read(struct graft *graft, int mem_fd);

/* The answers, and what is in the area's writable part. */
const struct graft_args *graft_args(const struct graft *graft);
const struct graft_slot *graft_slot(const struct graft *graft, uint32_t slot);
const struct graft_timer *graft_timers(const struct graft *graft);

/* Set @regs, of thread @slot, to run its errand. */
void graft_enter(const struct graft *graft, uint32_t slot,
		 struct user_regs_struct *regs);

/* The same for the twin, whose sigactions come to graft_sigactions(). */
void graft_enter_twin(const struct graft *graft, struct user_regs_struct *regs);

/* Where in the target the 64 sigactions are, after graft_enter_twin(). */
uint64_t graft_sigactions_raddr(const struct graft *graft);

/* The twin's answers of prctl(2), each -errno where it may not ask. */
struct graft_prctls {
	int64_t dumpable, securebits, thp_disable;
};

/* Where struct graft_prctls is, after graft_enter_twin(). */
uint64_t graft_prctls_raddr(const struct graft *graft);

/* Where the twin's program break is, after graft_enter_twin(). */
uint64_t graft_brk_raddr(const struct graft *graft);

/* The program counter of a thread that has done its errand. */
uint64_t graft_done_ip(const struct graft *graft);

void graft_free(struct graft *graft);
