/* SPDX-License-Identifier: MIT */
/*
 * seals.h - what may be done no more to a memfd (F_ADD_SEALS, fcntl(2))
 *
 * A receiver maps what a sealed memfd holds without a copy, for nobody can change
 * it: so must the child's be.  They are sealed when they are filled, before they
 * are mapped: a map of one that may be written keeps off F_SEAL_WRITE, also one
 * without PROT_WRITE.  With F_SEAL_FUTURE_WRITE alone it is the other way round:
 * the blob seals that, once it is mapped to write.
 *
 * Pure but for seals_add() and seals_make().
 */
#pragma once

#include <stdbool.h>

#include "loader/plan.h"

/* Was the memfd @fd made to be sealed (MFD_ALLOW_SEALING)?  Not other files. */
bool seals_are_allowed(const struct image_fd *fd);

/* Add @fd's seals to the memfd @number.  0, or -1 with errno of fcntl(2). */
int seals_add(int number, const struct image_fd *fd);

/*
 * Seal the objects of @plan, which are filled, but for those of seals_plan().
 * 0, or -errno of fcntl(2).
 */
int seals_make(const struct plan *plan);

/* Append what seals the objects of @plan that are mapped to write before. */
void seals_plan(struct plan *plan);
