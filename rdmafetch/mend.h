/* SPDX-License-Identifier: MIT */
/*
 * mend.h - a broken connection is dropped, and a new one tried
 *
 * Used by pump.c for the thread that leads; pump.lock is held in every call and
 * let go while a transport is closed or opened, and while sleeping.
 */
#pragma once

#include "rdmafetch/pump.h"

/*
 * One attempt.  What was under way is queued again, or fails when its tries
 * (or, without a new connection, its time) are used up.  Returns 0, or -errno
 * of options.reopen (-EIO: there is none, and all that was queued has failed;
 * -ESTALE: the same).
 */
int mend_once(struct pump *pump);

/* Attempts, with growing pauses, until one succeeds or @waiter is ready. */
void mend_for(struct pump *pump, const struct waiter *waiter);
