/* SPDX-License-Identifier: MIT */
/*
 * prepare.h - the keeper behind one image, and the client that waits for it
 *
 *     PREPARE --> claim a name --> its turn: a keeper ... it is done
 *                                          |              |
 *                                          v              v
 *                      image ended: release the keeper   publish, answer
 *
 * Whatever ends the image (its release, its lease, a failure, the keeper's own
 * death) comes by one way: the registry's end function.
 *
 * Threads: the daemon's.
 */
#pragma once

#include "common/wire.h"
#include "parent/daemon.h"

/*
 * Take a snapshot for @peer and answer @ticket when it is there, or with the
 * words of the refusal.  Of one process one is taken after the other, in the
 * order in which they were wanted.  @peer must live until prepare_left().
 */
void prepare_image(struct daemon *daemon, const struct wire_prepare *wanted,
		   const struct peer *peer, const struct serve_ticket *ticket);

/*
 * The client that is known by @peer has left: end what it asked for and what
 * was not begun, in the next turn of the loop.
 */
void prepare_left(struct daemon *daemon, const struct peer *peer);

/* Wait until every twin that was released has given back its memory. */
void prepare_wait(struct daemon *daemon);
