/* SPDX-License-Identifier: MIT */
/*
 * tracer.h - a process that somebody traces already
 *
 * Above: admit.c and seize.c, which meet the tracer.  A keeper traces for the
 * length of its pause, so it is worth waiting for; a debugger is not.  Which of
 * the two it is, its name says, and anybody can have that name: it decides how
 * long is waited, and nothing else.
 */
#pragma once

#include <sys/types.h>

#include "parent/refusal.h"

/* How keepers are called (PR_SET_NAME). */
#define TRACER_KEEPER "mitosis-keeper"

/*
 * Fill @why for a process that @tracer traces.  Reads /proc, any thread.
 *
 * Returns -EALREADY when that is a keeper, which takes another image of it just
 * now, or -EPERM.
 */
int tracer_refuse(pid_t tracer, struct refusal *why);
