/* SPDX-License-Identifier: MIT */
/*
 * guard_drop.h - madvise calls that drop pages: zeros, not the image's bytes
 *
 * Above: guard.  Below: guard_map, guard_call, guard_zero.
 */
#pragma once

#include "loader/guard_call.h"
#include "loader/guard_map.h"

/*
 * Answer a waiting madvise(MADV_DONTNEED, MADV_DONTNEED_LOCKED or
 * MADV_GUARD_INSTALL).  0, or -errno when dropped pages of the image could not
 * be replaced: the child would read old bytes and must be killed.
 */
int guard_drop(struct guard_call *call);

/*
 * Have the held thread map private anonymous memory over [@start, @end) with
 * @prot and what of @vma_flags (enum image_vma_flag) a map keeps.  0, -ESRCH
 * when the thread died, or mmap's -errno.
 */
int guard_drop_replace(struct guard_inject *inject,
		       const struct guard_map_piece *piece);
