/* SPDX-License-Identifier: MIT */
/*
 * limit.h - an end to a wait for a tracee that does not come
 *
 * Above: seize.c, inject.c.  A timer interrupts the calls of the thread that
 * set it by SIGALRM.  One at a time: the signal's action is the process's.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct limit {
	timer_t timer;
	struct sigaction before;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
};

/*
 * In @timeout_ms, and again and again behind that, interrupt the calling
 * thread. limit_clear() ends it.  0 or -errno of timer_create(2).
 */
int limit_set(struct limit *ret_limit, int timeout_ms);

bool limit_is_over(const struct limit *limit);

void limit_clear(struct limit *limit);
