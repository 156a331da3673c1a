/* SPDX-License-Identifier: MIT */
/*
 * objects.h - writable shared memory: one memfd for each object of the parent
 *
 * Several areas, and descriptors of the image, may be one piece of memory; they
 * must stay one in the child.  Its content was copied while the parent paused.
 */
#pragma once

#include "loader/imagedir.h"
#include "loader/plan.h"

/*
 * Make and fill the memfds of @plan in their slots.  Copies, so it blocks on
 * the image.  0, or -errno with words.
 */
int objects_make(const struct plan *plan, const struct imagedir *dir,
		 struct why *why);
