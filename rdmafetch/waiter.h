/* SPDX-License-Identifier: MIT */
/*
 * waiter.h - one thread that waits for flights, and the list of those asleep
 *
 * Each has a condition of its own, so that an arrival wakes exactly the thread
 * it is for.  pump.lock guards all of it.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

struct waiter {
	TAILQ_ENTRY(waiter) link;
	pthread_cond_t wake;
	unsigned need; /* flights not arrived yet */
	bool any;      /* ready at each arrival, not only at the last */
	bool ready;    /* may go on; cleared by its own thread only */
	bool asleep, polling;
};

TAILQ_HEAD(waiter_list, waiter);

void waiter_init(struct waiter *waiter);
void waiter_done(struct waiter *waiter);

/*
 * Wake @waiter where it sleeps or polls; @kick_fd is the eventfd that it polls,
 * or -1.
 */
void waiter_wake(struct waiter *waiter, int kick_fd);

/* One flight of @waiter arrived. */
void waiter_credit(struct waiter *waiter, int kick_fd);

/* Sleep until woken, in @sleepers meanwhile.  May return for no reason. */
void waiter_sleep(struct waiter *waiter, struct waiter_list *sleepers,
		  pthread_mutex_t *lock);
