/* SPDX-License-Identifier: MIT */
/*
 * phases.h - when each phase of a load was over, for mitosis-load -vv
 *
 * One page that the supervisor, init and the child share; of several children
 * the first to come counts.  Without phases_begin() nothing is done.
 */
#pragma once

#include <stdint.h>

#include "common/phase.h"

/* Count from @began_ns (CLOCK_MONOTONIC).  Before the first other process. */
void phases_begin(uint64_t began_ns);

/* @phase is over.  No libc state: loader/reaper.c calls it. */
void phases_mark(enum phase phase);

/* Microseconds from the beginning, or 0. */
uint64_t phases_us(enum phase phase);
