/* SPDX-License-Identifier: MIT */
/*
 * guard_call.h - one call that waits for the supervisor, and its answer
 *
 * Each waiting call is answered once: continued, failed, returned, or stopped
 * (which answers it and holds the thread).  A thread that died in the meantime
 * makes an answer void, which is no error.
 *
 * Above: guard (makes them), guard_drop and guard_remap (answer them).
 */
#pragma once

#include <linux/seccomp.h>

#include "loader/guard.h"
#include "loader/guard_inject.h"

struct guard_call {
	struct seccomp_notif notif;
	int listener;
	const struct guard_options *options;
	struct guard_stats *stats;
};

/* True while the thread still waits: what was read about its process since is
 * about it, not about a later owner of its number. */
bool guard_call_is_waiting(const struct guard_call *call);

/* Let the kernel run the call as it is. */
void guard_call_continue(struct guard_call *call);

/* The call fails with @error (-errno), nothing done. */
void guard_call_fail(struct guard_call *call, int error);

/* The call returns zero. */
void guard_call_return(struct guard_call *call);

/*
 * Hold the thread where it would return from the call, to inject others.
 * 0: guard_inject_finish() must follow.  -ESRCH: it is gone, nothing is to be
 * done.  Any other -errno: it cannot be traced, and still waits for an answer.
 */
int guard_call_stop(struct guard_call *call, struct guard_inject *ret_inject);

/*
 * The two halves of it.  In between the thread waits still, and cannot go on.
 * guard_call_hold() must follow a guard_call_seize() that gave 0; it gives 0 or
 * -ESRCH.
 */
int guard_call_seize(struct guard_call *call, struct guard_inject *ret_inject);
int guard_call_hold(struct guard_call *call, struct guard_inject *inject);
