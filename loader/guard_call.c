/* SPDX-License-Identifier: MIT */
#include "loader/guard_call.h"

#include <errno.h>
#include <sys/ioctl.h>

bool guard_call_is_waiting(const struct guard_call *call)
{
	return !ioctl(call->listener, SECCOMP_IOCTL_NOTIF_ID_VALID,
		      &call->notif.id);
}

/* ENOENT: the thread was killed, or (without WAIT_KILLABLE) interrupted. */
static void answer(struct guard_call *call, int error, uint32_t flags)
{
	struct seccomp_notif_resp resp = {
		.id = call->notif.id,
		.error = error,
		.flags = flags,
	};

	if (ioctl(call->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp))
		call->stats->gone++;
}

void guard_call_continue(struct guard_call *call)
{
	call->stats->continued++;
	answer(call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

void guard_call_fail(struct guard_call *call, int error)
{
	call->stats->failed++;
	answer(call, error, 0);
}

void guard_call_return(struct guard_call *call)
{
	answer(call, 0, 0);
}

int guard_call_seize(struct guard_call *call, struct guard_inject *ret_inject)
{
	int r = guard_inject_seize(ret_inject, (pid_t)call->notif.pid);

	if (r == -ESRCH)
		call->stats->gone++;
	return r;
}

int guard_call_hold(struct guard_call *call, struct guard_inject *inject)
{
	/*
	 * Seized first, answered second: the thread stops before it can return.
	 * Where waits are interruptible the seizing has ended this one, the
	 * answer is void, and it stops all the same.
	 */
	struct seccomp_notif_resp resp = {.id = call->notif.id};
	int r;

	(void)ioctl(call->listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	r = guard_inject_stop(inject, &call->notif.data);
	if (r)
		call->stats->gone++;
	return r;
}

int guard_call_stop(struct guard_call *call, struct guard_inject *ret_inject)
{
	int r = guard_call_seize(call, ret_inject);

	return r ? r : guard_call_hold(call, ret_inject);
}
