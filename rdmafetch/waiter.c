/* SPDX-License-Identifier: MIT */
/*
 * waiter.c - sleep and wake
 */
#include "rdmafetch/waiter.h"

#include <sys/eventfd.h>

void waiter_init(struct waiter *waiter)
{
	(void)pthread_cond_init(&waiter->wake, NULL);
	waiter->need = 0;
	waiter->any = false;
	waiter->ready = false;
	waiter->asleep = false;
	waiter->polling = false;
}

void waiter_done(struct waiter *waiter)
{
	(void)pthread_cond_destroy(&waiter->wake);
}

void waiter_wake(struct waiter *waiter, int kick_fd)
{
	if (waiter->asleep)
		(void)pthread_cond_signal(&waiter->wake);
	else if (waiter->polling)
		(void)eventfd_write(kick_fd, 1);
}

void waiter_credit(struct waiter *waiter, int kick_fd)
{
	waiter->need--;
	if (waiter->need && !waiter->any)
		return;
	waiter->ready = true;
	waiter_wake(waiter, kick_fd);
}

void waiter_sleep(struct waiter *waiter, struct waiter_list *sleepers,
		  pthread_mutex_t *lock)
{
	waiter->asleep = true;
	/* Those that want everything lead rather than the prefetch thread. */
	if (waiter->any)
		TAILQ_INSERT_TAIL(sleepers, waiter, link);
	else
		TAILQ_INSERT_HEAD(sleepers, waiter, link);
	(void)pthread_cond_wait(&waiter->wake, lock);
	TAILQ_REMOVE(sleepers, waiter, link);
	waiter->asleep = false;
}
