/* SPDX-License-Identifier: MIT */
/*
 * spare.h - a keeper that is there before it is asked for
 *
 * To fork a daemon and to make its child ready takes as long as a third of a
 * small process's pause.  So one keeper waits, and the next is forked a moment
 * after it was taken, when who asked has other things to do.
 *
 * Above: prepare.c.  Threads: the loop's.
 */
#pragma once

#include "parent/keeper.h"
#include "rdmafetch/loop.h"

struct spare {
	struct loop *loop;
	struct loop_timer timer;
	struct keeper *keeper; /* NULL: none now */
};

/* Have one soon after @loop runs.  @spare stays where it is until its end. */
void spare_begin(struct spare *spare, struct loop *loop);

/* Kill the one that waits.  Allowed without a beginning. */
void spare_end(struct spare *spare);

/* keeper_start(), by the keeper that waits if it is there. */
int spare_start(struct spare *spare, const struct keeper_request *request,
		struct keeper **ret);
