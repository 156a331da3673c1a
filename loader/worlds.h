/* SPDX-License-Identifier: MIT */
/*
 * worlds.h - the pid namespaces of one image's children, used again and again
 *
 * A world costs more than the child in it: three namespaces, a /proc, a filter,
 * a process.  So its init stays when the child has ended, and makes the next
 * one (loader/reaper.h); all that the child left running is gone by then.  What
 * could be left otherwise is a mount: then the world is not used again.
 *
 * One is begun ahead, beside what else goes on.  One thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "loader/charge.h"
#include "loader/load.h"

struct worlds;

/* For at most @max children at once of @load, which is borrowed.  NULL without
 * memory. */
struct worlds *worlds_open(const struct load *load, unsigned max);

/* A world for a child.  0, or -errno with words. */
int worlds_take(struct worlds *worlds, struct charge_world *ret_world,
		struct why *why);

/* Begin another one when none waits; does not wait for it. */
void worlds_ahead(struct worlds *worlds);

/* The child of @world has ended, and its init waits. */
void worlds_give(struct worlds *worlds, struct charge_world world);

/* The process @pid has ended: true when it was the init of a world here. */
bool worlds_reaped(struct worlds *worlds, pid_t pid);

/* Kill all that wait, and wait for their ends; NULL is allowed. */
void worlds_close(struct worlds *worlds);
