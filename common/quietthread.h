/* SPDX-License-Identifier: MIT */
/*
 * quietthread.h - threads that no signal goes to
 *
 * Signals belong to the program's own threads, which wait for them or have
 * handlers that count on being there.
 */
#pragma once

#include <pthread.h>

/*
 * Start a thread that has all signals blocked; the caller's mask is as before.
 * Joining it is the caller's.  0 or -errno of pthread_create(3).
 */
int quietthread_start(pthread_t *ret_thread, void *(*run)(void *arg),
		      void *arg);
