/* SPDX-License-Identifier: MIT */
/*
 * awake.h - while faults come, CPUs with nothing to do do not sleep
 *
 *     child         fault . . . . . . . . . . goes on
 *     mitosisfs       wakes, asks . . wakes, answers
 *     the far end               wakes, sends
 *
 * A fault goes through up to four hands, and each of them is woken.  Waking a
 * CPU that sleeps takes tens of microseconds, in a virtual machine and out of
 * deep sleep, which is more than all the work (docs/performance.md).  So in a
 * burst of faults, as a child that starts makes one, the kernel is asked by
 * /dev/cpu_dma_latency for CPUs that wake at once: they look for work instead
 * of sleeping.  That takes power, and time of the CPU's other hyperthread; so
 * there is a credit for it, which a burst uses up, and which comes back slowly.
 *
 * The kernel ends it when the file is closed, however we die.
 *
 * Above: fs/ops.c, tools/mitosisfs.c.  Threads: any; one of its own ends it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What may be used, and what is: pure.  Zeroed but for the first two. */
struct awake_credit {
	int64_t max_ns, left_ns; /* below 0: a look came late, to be made up */
	uint64_t looked_ns;	 /* the time of the last look */
	bool is_held;
};

/*
 * It is @now_ns, not before the last look; @busy: faults came since then.
 * Returns whether CPUs shall be awake from now on, as is_held has it.
 */
bool awake_look(struct awake_credit *credit, uint64_t now_ns, bool busy);

/*
 * How long from a look to the next: faults that have ended are noticed, and a
 * credit that ends is not overdrawn.
 */
uint64_t awake_look_in_ns(const struct awake_credit *credit);

struct awake;

/*
 * Keep CPUs awake for @max_ms in a burst at most, and begin with that: a mount
 * is one.  NULL where @max_ms is 0, where the kernel does not let us (root
 * may), and without memory: then all is as the kernel likes.
 */
struct awake *awake_open(unsigned max_ms);

/* A read is about to be answered.  NULL is allowed. */
void awake_read(struct awake *awake);

/* Nobody calls any more.  NULL is allowed. */
void awake_close(struct awake *awake);
