/* SPDX-License-Identifier: MIT */
/*
 * process.h - what a process has once, as steps: memory layout words, signal
 * handlers, timers, and how it ends with its supervisor
 *
 * Pure.
 */
#pragma once

#include "loader/plan.h"

/* brk, argument and environment ranges, auxv, and the link of /proc/PID/exe. */
void process_plan_mm(struct plan *plan);

/* All signal actions; personality; whether there are huge pages. */
void process_plan_signals(struct plan *plan);

/* POSIX timers and interval timers; threads must exist.  0 or -ENOMEM. */
int process_plan_timers(struct plan *plan);

/*
 * After that, for each thread but the leader: with a new tid it says what its
 * timers shall signal.  The leader makes them only when all have.
 */
void process_plan_timer_tids(struct plan *plan, int32_t tid);

/* After credentials changed: what changing them has reset. */
void process_plan_last(struct plan *plan);
