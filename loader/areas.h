/* SPDX-License-Identifier: MIT */
/*
 * areas.h - what each memory area of the image becomes, as steps
 *
 *   was in the parent          becomes
 *   no page present            anonymous memory
 *   stack                      anonymous, growing down, filled now
 *   anonymous, heap            --memory=shared: private map of the image, and
 *                              a window for the guard
 *                              --memory=own: anonymous, filled by the pager
 *   file                       private map of the image
 *   shared and writable        shared map of a memfd, filled before the jump
 *   shared, not writable       the same, where that memory is mapped so, too;
 *                              shared map of the file, where it is live
 *                              (loader/live.h); else as a file
 *   vdso, vvar                 this kernel's own, moved (loader/vdso.c)
 *
 * A file map is refused what anonymous memory may (MAP_GROWSDOWN,
 * MADV_WIPEONFORK), so stacks and wiped areas never are one.  Pure.
 */
#pragma once

#include "loader/plan.h"

enum areas_kind {
	AREAS_NONE, /* not mapped here */
	AREAS_ANONYMOUS,
	AREAS_STACK,
	AREAS_WINDOW,
	AREAS_PAGED,
	AREAS_OBJECT,
};

/* What @vma becomes if it shares nothing. */
enum areas_kind areas_choose(const struct image *image,
			     const struct image_vma *vma,
			     enum plan_memory memory);

/*
 * Is @vma what an earlier load of the same process left behind, with no thread
 * of the image inside?
 */
bool areas_is_leftover(const struct image *image, const struct image_vma *vma);

/* Find the objects of shared memory.  0, -ENOMEM, or -E2BIG. */
int areas_find_objects(struct plan *plan);

/* What @vma becomes, once the objects of @plan are found. */
enum areas_kind areas_becomes(const struct plan *plan,
			      const struct image_vma *vma);

/* Which object a file without a name is, if the image maps it, or -1. */
int areas_object_of_fd(const struct plan *plan, const struct image_fd *fd);

/* The object that @vma maps, or NULL. */
const struct plan_object *areas_object(const struct plan *plan,
				       const struct image_vma *vma);

/* Append the steps that map all areas.  0 or -ENOMEM. */
int areas_plan(struct plan *plan);
