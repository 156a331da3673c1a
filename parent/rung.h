/* SPDX-License-Identifier: MIT */
/*
 * rung.h - signals of timers that ran out while the target stood still
 *
 *      pending_add()       the timers are read        rung_add()
 *   -------|----------------------|----------------------|------> target stopped
 *           runs out here: signal   runs out here: the
 *           missed, no time left     image has time left
 *
 * What runs out before the timers are read is in neither of the two lists of
 * an image; what runs out after that the child's own timer will tell it.
 *
 * Above: pause.c.  Below: pending.h.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"
#include "parent/pending.h"
#include "parent/seize.h"

/*
 * Add to @pending, which has what was queued when the threads stopped, the
 * signals that timers of @image have sent since then and before they were read;
 * its timers and itimers are filled.  @since_ns: io_monotonic_ns() at a moment
 * before they were read.  All threads are stopped.
 *
 * Returns 0, -ESRCH, -E2BIG past IMAGE_PENDING_MAX, or -ENOMEM.
 */
int rung_add(const struct seized *seized, const struct image *image,
	     uint64_t since_ns, struct pending *pending);
