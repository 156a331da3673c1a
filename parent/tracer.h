/* SPDX-License-Identifier: MIT */
/*
 * tracer.h - a process that somebody traces already
 *
 * Above: admit.c and seize.c, which meet the tracer.  A keeper traces for the
 * length of its pause, so it is worth waiting for; a debugger is not, nor is
 * the keeper of a twin, which traces it until the image ends.  Which of these
 * it is, its name says, and anybody can have that name: it decides how long is
 * waited, and what is said, and nothing else.
 */
#pragma once

#include <sys/types.h>

#include "parent/refusal.h"

/* How keepers are called (PR_SET_NAME), and until they have their image. */
#define TRACER_KEEPER "mitosis-keeper"
#define TRACER_TAKER  "mitosis-taker"

/* Who traces the thread @tid, or 0: nobody, or it is no more. */
pid_t tracer_of(pid_t tid);

/*
 * Fill @why for a process, or thread, @tid that @tracer traced when it was
 * looked at.  Reads /proc, any thread.
 *
 * Returns -EALREADY when a keeper takes another image of it just now,
 * -EOPNOTSUPP when it is the twin of an image, or -EPERM.
 */
int tracer_refuse(pid_t tid, pid_t tracer, struct refusal *why);
