/* SPDX-License-Identifier: MIT */
/*
 * fence.h - guard regions of the image: pages that fault whoever touches them
 *
 * Of MADV_GUARD_INSTALL (Linux 6.13, madvise(2)), as a C library makes them below
 * the stacks of threads.  They are called fences here, where "guard" is who
 * watches over memory that stands for anonymous one.
 */
#pragma once

#include <stdbool.h>

#include "common/image.h"
#include "loader/steps.h"

/*
 * Can this host make one in the private map at @page, which must not be used
 * afterwards?  In maps of files it takes Linux 6.15.
 */
bool fence_try(void *page);

/* The same in anonymous memory, a page of its own: Linux 6.13. */
bool fence_try_memory(void);

struct fence_how {
	bool installs;	/* fence_try() */
	uint64_t cookie; /* so that the guard lets the call pass */
	bool is_window; /* mapped from the image, and stands for anonymous memory */
};

/*
 * Append what makes @vma's part of @image's guard regions, once it is mapped and
 * filled, and before it is locked.
 *
 *     window   [ of the image |  anonymous  | of the image ]
 *                               guard region
 *
 * In a window they lie in anonymous memory, where the kernel keeps them when
 * pages around them are dropped: windows are replaced then (loader/guard_drop.h).
 * Where this host cannot install any, pages without access do: they fault as
 * well, but MADV_GUARD_REMOVE does not take them away.
 */
void fence_plan(struct steps *steps, const struct image *image,
		const struct image_vma *vma, struct fence_how how);
