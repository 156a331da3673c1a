/* SPDX-License-Identifier: MIT */
/*
 * threads.h - the image's threads, as steps
 *
 * The leader makes the others with their old tids; each then sets what only it
 * can set for itself, waits for the leader, and returns into its frame.  Pure.
 */
#pragma once

#include "loader/plan.h"

/* Fill plan->frames for all threads.  0 or -ENOMEM. */
int threads_build_frames(struct plan *plan);

/* Append: make thread @i (not 0).  Returns the index of the step. */
uint32_t threads_plan_spawn(struct plan *plan, uint32_t i);

/* Append what thread @i sets for itself, the leader too. */
void threads_plan_self(struct plan *plan, uint32_t i);

/* Append the signals pending for @tid (0: the process) in its own thread. */
void threads_plan_pending(struct plan *plan, int32_t tid);

/* Where thread @i's frame lies in the child. */
uint64_t threads_frame_addr(const struct plan *plan, uint32_t i);
