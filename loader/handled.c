/* SPDX-License-Identifier: MIT */
/*
 * handled.c - signal(7): "interruption of system calls by signal handlers"
 */
#include "loader/handled.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define BIT(signo) (UINT64_C(1) << ((signo)-1))

/* The kernel takes these before all others, which go by number. */
#define SYNCHRONOUS                                                            \
	(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGTRAP) |             \
	 BIT(SIGFPE) | BIT(SIGSYS))

/* Of these there is one at a time, for a thread or the process. */
#define STANDARD (BIT(32) - 1)

static uint32_t signo_of(const struct image_pending *pending)
{
	uint32_t signo;

	memcpy(&signo, pending->siginfo, sizeof(signo));
	return signo;
}

static bool has_handler(const struct image *image, uint32_t signo)
{
	const uint64_t handler = image->sigactions[signo - 1].handler;

	return handler != (uintptr_t)SIG_DFL && handler != (uintptr_t)SIG_IGN;
}

/* Those that some thread has of its own: a second would be lost there. */
static uint64_t own_signals(const struct image *image)
{
	uint64_t own = 0;

	for (uint32_t i = 0; i < image->nr_pending; i++)
		if (image->pending[i].tid)
			own |= BIT(signo_of(&image->pending[i]));
	return own;
}

static int32_t first_who_may(const struct image *image, uint32_t signo)
{
	for (uint32_t i = 0; i < image->nr_threads; i++)
		if (!(image->threads[i].sigmask & BIT(signo)))
			return image->threads[i].tid;
	return 0;
}

int handled_decide(const struct image *image, int32_t **ret_tids)
{
	int32_t *tids = calloc(image->nr_pending + 1, sizeof(*tids));
	const uint64_t kept = own_signals(image) & STANDARD;
	int32_t takers[IMAGE_SIGNALS];

	if (!tids)
		return -ENOMEM;
	for (uint32_t signo = 1; signo <= IMAGE_SIGNALS; signo++)
		takers[signo - 1] =
			!(kept & BIT(signo)) && has_handler(image, signo)
				? first_who_may(image, signo)
				: 0;
	for (uint32_t i = 0; i < image->nr_pending; i++)
		tids[i] = image->pending[i].tid
				  ? image->pending[i].tid
				  : takers[signo_of(&image->pending[i]) - 1];
	*ret_tids = tids;
	return 0;
}

/* Those whose handlers run in @thread as soon as it does. */
static uint64_t handled_in(const struct image *image, const int32_t *tids,
			   const struct image_thread *thread)
{
	uint64_t set = 0;

	for (uint32_t i = 0; i < image->nr_pending; i++) {
		uint32_t signo = signo_of(&image->pending[i]);

		if (tids[i] == thread->tid && has_handler(image, signo))
			set |= BIT(signo);
	}
	return set & ~thread->sigmask;
}

enum frame_handler handled_first(const struct image *image, const int32_t *tids,
				 const struct image_thread *thread)
{
	uint64_t set = handled_in(image, tids, thread);
	uint32_t first;

	if (!set)
		return FRAME_NO_HANDLER;
	if (set & SYNCHRONOUS)
		set &= SYNCHRONOUS;
	first = (uint32_t)__builtin_ctzll(set);
	return image->sigactions[first].flags & SA_RESTART
		       ? FRAME_HANDLER_RESTARTS
		       : FRAME_HANDLER_ENDS;
}
