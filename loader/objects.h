/* SPDX-License-Identifier: MIT */
/*
 * objects.h - shared memory: one file for each object of the parent
 *
 * Several areas, and descriptors of the image, may be one piece of memory; they
 * must stay one in the child.  It is a memfd, whose content was copied while
 * the parent paused; of what is mapped without PROT_WRITE alone it is the file
 * itself (loader/live.h), or a memfd when that has gone since the plan was
 * made.
 */
#pragma once

#include "loader/fate.h"
#include "loader/imagedir.h"
#include "loader/plan.h"

/*
 * Open the files of @plan in their slots, or make and fill memfds there.
 * Copies, so it blocks on the image.  @fates: of the child's descriptors.  0,
 * or -errno with words.
 */
int objects_make(const struct plan *plan, const struct imagedir *dir,
		 const struct fate *fates, struct why *why);
