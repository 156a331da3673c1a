/* SPDX-License-Identifier: MIT */
/*
 * handled.h - which thread runs the handler of a signal that is pending
 *
 * Then a call that waits there does not begin again: with a handler the kernel
 * ends it with EINTR, but for some with SA_RESTART.  Who waits for a signal by
 * pause(2) would wait for ever.
 *
 * One for the process is anybody's who does not block it.  The child's kernel
 * would let whoever comes first have it; to know who that is it is given to the
 * leader, as the kernel prefers, or else to the first who may.  Pure.
 */
#pragma once

#include "common/image.h"
#include "loader/frame.h"

/*
 * To whom each of @image's pending signals is sent: a tid, or 0 for the process
 * as a whole, which is left so when no handler runs.  One after the other in
 * *@ret_tids, for free().  0 or -ENOMEM.
 */
int handled_decide(const struct image *image, int32_t **ret_tids);

/* What the first handler that @thread runs means for its call. */
enum frame_handler handled_first(const struct image *image, const int32_t *tids,
				 const struct image_thread *thread);
