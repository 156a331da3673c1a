/* SPDX-License-Identifier: MIT */
/*
 * advice.h - what an area was told by madvise(2) and mlock(2), told again
 *
 * Below areas.c, for each area that it maps.  Pure.
 */
#pragma once

#include "loader/areas.h"

/* Append the steps that give @vma, mapped as @kind, the advice it had. */
void advice_plan(struct plan *plan, const struct image_vma *vma,
		 enum areas_kind kind);
