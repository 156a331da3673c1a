/* SPDX-License-Identifier: MIT */
#include "parent/answers.h"

#include <errno.h>
#include <string.h>

#define NS_PER_S 1000000000ull
#define US_PER_S 1000000ull

/* The number that the target has for our @tid; 0 when it is no thread here. */
static int32_t own_tid(const struct graft *graft, const struct image *image,
		       int32_t tid)
{
	for (uint32_t i = 0; i < image->nr_threads; i++)
		if (image->threads[i].tid == tid)
			return (int32_t)graft_slot(graft, i)->tid;
	return 0;
}

void answers_fill_timers(const struct graft *graft, struct image *image)
{
	const struct graft_timer *timers = graft_timers(graft);
	const struct graft_itimer *itimers = graft_args(graft)->itimers;

	for (uint32_t i = 0; i < image->nr_timers; i++) {
		struct image_timer *timer = &image->timers[i];

		timer->value_ns = (uint64_t)timers[i].value_s * NS_PER_S +
				  (uint64_t)timers[i].value_ns;
		timer->interval_ns = (uint64_t)timers[i].interval_s * NS_PER_S +
				     (uint64_t)timers[i].interval_ns;
	}
	for (size_t i = 0; i < 3; i++) {
		image->itimers[i].value_us =
			(uint64_t)itimers[i].value_s * US_PER_S +
			(uint64_t)itimers[i].value_us;
		image->itimers[i].interval_us =
			(uint64_t)itimers[i].interval_s * US_PER_S +
			(uint64_t)itimers[i].interval_us;
	}
}

static void own_targets(const struct graft *graft, struct image *image)
{
	for (uint32_t i = 0; i < image->nr_timers; i++) {
		struct image_timer *timer = &image->timers[i];

		if (timer->target_tid)
			timer->target_tid =
				own_tid(graft, image, timer->target_tid);
	}
}

static void take_pending(const struct graft *graft, struct pending *pending,
			 struct image *image)
{
	for (uint32_t i = 0; i < pending->nr; i++)
		if (pending->signals[i].tid)
			pending->signals[i].tid =
				own_tid(graft, image, pending->signals[i].tid);
	image->pending = pending->signals;
	image->nr_pending = pending->nr;
	*pending = (struct pending){0};
}

static int fill_thread(const struct graft_slot *slot,
		       struct image_thread *thread)
{
	if (!slot->tid)
		return -ENOMEM;
	thread->tid = (int32_t)slot->tid;
	memcpy(thread->comm, slot->comm, sizeof(thread->comm));
	thread->altstack_sp = slot->altstack_sp;
	thread->altstack_flags = slot->altstack_flags;
	thread->altstack_bytes = slot->altstack_bytes;
	thread->clear_tid_addr = slot->tid_addr;
	return 0;
}

int answers_fill(const struct graft *graft, struct pending *pending,
		 struct image *image)
{
	int rc = 0;

	own_targets(graft, image);
	take_pending(graft, pending, image);
	for (uint32_t i = 0; rc == 0 && i < image->nr_threads; i++)
		rc = fill_thread(graft_slot(graft, i), &image->threads[i]);
	return rc;
}
