/* SPDX-License-Identifier: MIT */
/*
 * order.h - which parts of an image to bring first: pure
 *
 * What the parent has written its children write, too, and soon: stacks and the
 * heap, then other private memory that can be written, then the rest.
 */
#pragma once

#include "common/image.h"
#include "common/workset.h"
#include "rdmafetch/prefetch.h"

/*
 * All of @image's areas with pages, in that order and each class by address, as
 * runs that may contain holes; *@ret_runs is the caller's to free().  0 or
 * -ENOMEM.
 */
int order_all(const struct image *image, struct prefetch_run **ret_runs,
	      unsigned *ret_nr);

/* The runs of @set, in its order. */
int order_workset(const struct workset *set, struct prefetch_run **ret_runs,
		  unsigned *ret_nr);
