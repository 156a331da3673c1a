/* SPDX-License-Identifier: MIT */
/*
 * names.h - areas by a name that says what they are, for by-name/
 *
 *     heap  heap.1  stack  vdso  libc.so.6.0  libc.so.6.1 ...  anon-NAME.0
 *
 * A mapped file gives its last name and the how-manieth area with that name it
 * is, by address.  The kernel's own names need none, but an area that mprotect(2)
 * or the like has cut: its first piece has the plain name.  Areas without a name
 * have none here either.
 *
 * Above: fs/tree.c.  Pure; any thread.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"

#define NAMES_BYTES	   232 /* of one, with its number and the NUL */
#define NAMES_NUMBER_BYTES 12  /* ".4294967295" and the NUL, kept free behind it */

/*
 * Write the name of @vma, that is without its number, to @ret_name.
 *
 * *@ret_numbered says if a number belongs behind it, be it the first or not.  Returns 0, or -ENOENT when
 * the area has no name.  What would not look well in a directory (slashes,
 * control characters) becomes "_".
 */
int names_of(const struct image_vma *vma, char ret_name[NAMES_BYTES],
	     int *ret_numbered);

#define NAMES_PLAIN UINT32_MAX /* no number belongs behind it */

/*
 * The numbers of all areas that have names, or NAMES_PLAIN, in the order of the
 * image: a malloc()ed array of nr_vmas, or NULL without memory.  No two areas have
 * name and number in common.  O(n log n).
 */
uint32_t *names_number(const struct image *image);
