/* SPDX-License-Identifier: MIT */
/*
 * aside.h - who takes an image keeps off the CPUs that its target works on
 *
 * A process that has just been forked or woken may be put where a thread of the
 * target runs, and has the CPU for a time slice then, 4 ms, while another CPU
 * has nothing to do: the kernel balances later than that.  To the target this
 * is a pause that is longer than the one of the image.  So the keeper goes
 * elsewhere before it works.
 *
 * Above: snapshot.c.  Threads: moves the calling one.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether who is on the CPU @here, and may use @ours, should leave for *@ret:
 * all of these that are not @busy.  Pure.
 */
bool aside_choose(const cpu_set_t *ours, const cpu_set_t *busy, int here,
		  cpu_set_t *ret);

/*
 * Leave the CPU if a thread of @pid works on it, or waits for it, and there is
 * one without any.  Where the caller may run stays what it was.  Looks at the
 * first threads of @pid only; what cannot be had is let be, as under the
 * filters of mitosisd's unit, which has no sched_setaffinity(2).
 */
void aside_step(pid_t pid);
