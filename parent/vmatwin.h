/* SPDX-License-Identifier: MIT */
/*
 * vmatwin.h - the areas of the twin, with what fork() took from their flags
 *
 * Above: snapshot.c, after the pause.  The target's areas were read from smaps,
 * which walks all page tables; those that the twin has unchanged need only a
 * line of its maps.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "parent/refusal.h"

/*
 * Fill vmas of @image, which has none yet, from @twin; @before is the target's
 * table of vmas_read(), a moment older.
 *
 * Smaps of the twin is read only if it has areas that are not in @before.
 * Returns as vmas_read().
 */
int vmatwin_read(pid_t twin, const struct image_vma *before, uint32_t nr_before,
		 struct image *image, struct refusal *why);

/*
 * Add the flags DONTFORK and LOCKED, which fork() takes away, where @before has
 * them.  Areas that the kernel joined when the flags were gone become several
 * again.  0 or -ENOMEM.
 */
int vmatwin_carry_flags(struct image *image, const struct image_vma *before,
			uint32_t nr_before);
