/* SPDX-License-Identifier: MIT */
/*
 * vdso.h - keep this kernel's vdso, at the image's address
 *
 * The vdso and its data pages belong to the running kernel and cannot be mapped
 * from the image.  They are moved out of the way before everything is unmapped,
 * and to where the image had its own afterwards; pointers into it (auxv, libc's
 * cached entry points) stay right because the code is byte for byte the same.
 */
#pragma once

#include <stdbool.h>

#include "loader/plan.h"

#define VDSO_PIECES_MAX 8u

/* Is @vma the vdso or its data? */
bool vdso_is_piece(const struct image_vma *vma);

/*
 * Do this process's pieces (by @maps) have the sizes and the order of the
 * image's?  An image without any fits everywhere.  0, or -EOPNOTSUPP.
 */
int vdso_check_layout(const struct image *image, const struct place_maps *maps,
		      struct why *why);

/* This process's vdso as memory; *@ret_bytes is 0 when there is none. */
const void *vdso_code(const struct place_maps *maps, size_t *ret_bytes);

/* Append the steps that take the pieces to staging, and to their end. */
void vdso_plan_out(struct plan *plan);
void vdso_plan_in(struct plan *plan);
