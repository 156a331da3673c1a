/* SPDX-License-Identifier: MIT */
/*
 * signals.h - the set of all signals
 */
#pragma once

#include <signal.h>
#include <string.h>

/*
 * All of them, for sigprocmask(2) and signalfd(2): sigfillset() leaves out what
 * a C library has kept for threads, and musl one more than glibc, SIGRTMIN of
 * every program that was built with glibc.
 */
static inline void signals_all(sigset_t *ret_set)
{
	memset(ret_set, 0xff, sizeof(*ret_set));
}
