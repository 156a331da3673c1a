/* SPDX-License-Identifier: MIT */
/*
 * verbs_reap.h - collect finished reads, and wait for them well
 *
 * Receiving costs nothing here: the device has written the caller's buffer when
 * the completion comes.  So all there is to do well is waiting: verbs_spin.h
 * decides how long to look before an event is asked for and slept on.
 *
 * Whether an event is asked for: with nobody polling fd(), only by a reap that
 * goes to sleep, since each one costs an interrupt.  Once fd() was called, a
 * reap that leaves has looked at an armed and empty queue.
 *
 * After a break the queue pair is destroyed before any read is failed: then the
 * device writes no buffer any more.
 *
 * Above: verbs.c.  Locks: the reaper's lock guards the core; completions are
 * polled without it, by one thread at a time.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "rdmafetch/transport.h"
#include "rdmafetch/verbs_post.h"
#include "rdmafetch/verbs_spin.h"

struct verbs_reaper {
	pthread_mutex_t lock;
	struct verbs_core core;
	struct verbs_spin spin; /* of who reaps */
	atomic_bool is_watched; /* somebody polls fd() */
};

/* As transport_ops.reap. */
int verbs_reap(struct verbs_reaper *reaper, struct transport_done *done,
	       unsigned max, int timeout_ms);
