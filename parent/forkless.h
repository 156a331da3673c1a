/* SPDX-License-Identifier: MIT */
/*
 * forkless.h - areas that fork() leaves out (MADV_DONTFORK), made to be forked
 *
 * smaps, which alone tells them, is read before the pause and may be old by the
 * time of it.  So an area counts only while maps still shows the same, as the
 * flag that we put back would harm another one in its place; and whether one
 * was missed shows in the size of the twin.
 *
 *   target  [ A ][ B: DONTFORK ][ C ]     twin  [ A ][ B ][ C ]   same size
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "parent/graft.h"

/*
 * Of @vmas with DONTFORK, those that @pid, which is stopped, still has.
 *
 * On success *@ret_areas is the caller's to free(); NULL when there is none.
 * Returns 0, -ENOMEM, or -errno of /proc.
 */
int forkless_list(pid_t pid, const struct image_vma *vmas, uint32_t nr,
		  struct graft_area **ret_areas, uint32_t *ret_nr);

/* The size of all areas of @pid, or 0 when it cannot be read. */
uint64_t forkless_pages(pid_t pid);
