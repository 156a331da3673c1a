/* SPDX-License-Identifier: MIT */
/*
 * teller.h - says how far the pages are: on stderr, and when asked by SIGUSR1
 *
 * A thread of its own, so that a question is answered whatever else goes on.
 * SIGUSR1 gives one line where the program's other lines go: stderr, or the log
 * when it is in the background.
 */
#pragma once

#include <stdbool.h>

#include "common/progress.h"

struct teller;

/*
 * Start it; @get, called from its thread, fills in what there is to tell.  With
 * @shows it shows progress on stderr until teller_over() or teller_hush().
 *
 * Blocks SIGUSR1 in the calling thread, so that threads made later do, too.
 * Returns 0 or -errno.
 */
int teller_open(void (*get)(void *arg, struct progress *ret_progress),
		void *arg, bool shows, struct teller **ret);

/* It is over: show that and no more.  Any thread; before teller_hush(). */
void teller_over(struct teller *teller);

/* Show nothing more, from the return on: stderr may go away. */
void teller_hush(struct teller *teller);

/* NULL is allowed. */
void teller_close(struct teller *teller);
