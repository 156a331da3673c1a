/* SPDX-License-Identifier: MIT */
#include "parent/spare.h"

#include <stddef.h>

#include "common/cleanup.h"
#include "common/io.h"

/* By then who was answered has opened the image. */
#define NEXT_NS 100000000ull

static void fork_one(struct loop_timer *timer)
{
	struct spare *spare =
		(struct spare *)((char *)timer - offsetof(struct spare, timer));

	/* Without one the next request forks its own, and tells why not. */
	if (!spare->keeper && keeper_spare(&spare->keeper))
		spare->keeper = NULL;
}

void spare_begin(struct spare *spare, struct loop *loop)
{
	spare->loop = loop;
	spare->timer.fired = fork_one;
	spare->timer.deadline_ns = io_monotonic_ns();
	loop_add_timer(loop, &spare->timer);
}

void spare_end(struct spare *spare)
{
	if (spare->loop)
		loop_drop(spare->loop, NULL, &spare->timer);
	spare->loop = NULL;
	keeper_release(steal_ptr(&spare->keeper));
}

int spare_start(struct spare *spare, const struct keeper_request *request,
		struct keeper **ret)
{
	struct keeper *keeper = steal_ptr(&spare->keeper);

	spare->timer.deadline_ns = io_monotonic_ns() + NEXT_NS;
	if (!keeper)
		return keeper_start(request, ret);
	if (keeper_ask(keeper, request)) { /* somebody killed it */
		keeper_release(keeper);
		return keeper_start(request, ret);
	}
	*ret = keeper;
	return 0;
}
