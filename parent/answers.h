/* SPDX-License-Identifier: MIT */
/*
 * answers.h - from what the graft heard inside a target to its image
 *
 * Above: pause.c (timers); snapshot.c, after the pause.  Also turns thread
 * numbers from ours into those that the target itself uses.  Pure functions.
 */
#pragma once

#include "common/image.h"
#include "parent/graft.h"
#include "parent/pending.h"

/* Fill the values of itimers and of timers, whose ids image->timers has. */
void answers_fill_timers(const struct graft *graft, struct image *image);

/*
 * Fill the threads' tid, comm, altstack and clear_tid_addr, and take over
 * @pending.
 *
 * Until now image->threads[i].tid, timers[i].target_tid and the rows of
 * @pending say tids as we see them.  Returns 0, or -ENOMEM when a thread could
 * not answer, as the kernel would not split one more area.
 */
int answers_fill(const struct graft *graft, struct pending *pending,
		 struct image *image);
