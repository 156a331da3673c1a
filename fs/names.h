/* SPDX-License-Identifier: MIT */
/*
 * names.h - areas by a name that says what they are, for by-name/
 *
 *     heap  stack  vdso  libc.so.6.0  libc.so.6.1 ...  anon-NAME.0
 *
 * A mapped file gives its last name and the how-manieth area with that name it
 * is, by address.  Areas without a name have none here either.
 *
 * Above: fs/tree.c.  Pure; any thread.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"

#define NAMES_BYTES 232 /* of one, with its number and the NUL */

/*
 * Write the name of @vma, that is without its number, to @ret_name.
 *
 * *@ret_numbered says if a number belongs behind it.  Returns 0, or -ENOENT when
 * the area has no name.  What would not look well in a directory (slashes,
 * control characters) becomes "_".
 */
int names_of(const struct image_vma *vma, char ret_name[NAMES_BYTES],
	     int *ret_numbered);

/*
 * The numbers of all areas with numbered names, in the order of the image: a
 * malloc()ed array of nr_vmas, or NULL without memory.  O(n log n).
 */
uint32_t *names_number(const struct image *image);
