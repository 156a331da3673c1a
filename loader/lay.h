/* SPDX-License-Identifier: MIT */
/*
 * lay.h - the image's areas, mapped in the loader itself
 *
 * A child is a fork of the loader.  With the image's areas laid out there it
 * need not map them: what it must do instead is to unmap all that lies between
 * (plan_gaps()).  The loader never touches them.
 */
#pragma once

#include "loader/plan.h"

/*
 * Is there room for the areas of @plan beside all that this process has mapped?
 * 0, or -errno with words: -EEXIST.
 */
int lay_fits(const struct plan *plan, struct why *why);

/*
 * Map them, from the file @space.  0, or -errno and nothing is mapped.  For a
 * plan whose facts say laid.
 */
int lay_do(const struct plan *plan, int space);
