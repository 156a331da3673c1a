/* SPDX-License-Identifier: MIT */
/*
 * twin.h - the stopped copy: made safe, asked, tidied up, ended
 *
 * After the pause.  What goes wrong here costs the twin, not the target.
 * Threads: the tracing thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/image.h"
#include "parent/gadget.h"
#include "parent/graft.h"

/* Let @twin, which has the trace @options of the target, die with us. */
int twin_keep(pid_t twin, unsigned long options);

/*
 * Take @twin out of the target's session and process group, and make it the
 * first to go when memory ends.  Fill what it answers of @image, let it use all
 * CPUs that it may, and unmap the graft from it.
 *
 * Returns 0, -ESRCH, or -EIO.
 */
int twin_settle(pid_t twin, const struct graft *graft,
		const struct gadgets *gadgets, struct image *image);

/*
 * Unmap from @twin, of what was copied in the pause:
 *
 *   segments of System V shared memory: who counts those that have one attached,
 *   as PostgreSQL does before it starts anew, must not find an image of the dead
 *
 *   private huge pages: the target would take another of the pool for each that
 *   it writes to, and where there is none, be killed
 *
 * Call when all of @image's areas and pages are known.  Returns 0, -ESRCH, -EIO.
 */
int twin_drop_copied(pid_t twin, const struct gadgets *gadgets,
		     const struct image *image);

/*
 * Write zeros to the twin's memory, where the target had them until our frame
 * was there.  Nothing for no @bytes.  0 or -errno.
 */
int twin_put_zeros(pid_t twin, uint64_t raddr, size_t bytes);

/*
 * Whether @twin, which should have stopped, has been killed: it may still be on
 * its way to its end.
 */
bool twin_is_dead(pid_t twin);

/* Kill @twin and wait until it is gone; 0 is allowed. */
void twin_end(pid_t twin);
