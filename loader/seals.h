/* SPDX-License-Identifier: MIT */
/*
 * seals.h - what may be done no more to a memfd (F_ADD_SEALS, fcntl(2))
 *
 * A receiver maps what a sealed memfd holds without a copy, for nobody can change
 * it: so must the child's be.  Those that no map holds are sealed when they are
 * filled; shared memory is sealed by the blob, once it is mapped to write.
 *
 * Pure but for seals_add().
 */
#pragma once

#include <stdbool.h>

#include "loader/plan.h"

/* Was the memfd @fd made to be sealed (MFD_ALLOW_SEALING)?  Not other files. */
bool seals_are_allowed(const struct image_fd *fd);

/* Add @fd's seals to the memfd @number.  0, or -1 with errno of fcntl(2). */
int seals_add(int number, const struct image_fd *fd);

/* Is the object @index of @plan a memfd that may be sealed? */
bool seals_are_allowed_of(const struct plan *plan, unsigned index);

/* Append what seals the objects of @plan, which are mapped. */
void seals_plan(struct plan *plan);
