/* SPDX-License-Identifier: MIT */
/*
 * xattr.h - what an area is, as extended attributes of its file in vma/
 *
 *     user.mitosis.addr   7f0000000000      where it starts
 *     user.mitosis.name   /usr/lib/libc.so.6   column six of maps; none if empty
 *     user.mitosis.perms  r-xp
 *
 * They survive rsync -X and cp -a, for people and scripts; mitosis-load reads
 * the descriptor alone.
 *
 * Above: fs/ops.c.  Pure; any thread.
 */
#pragma once

#include <stddef.h>

#include "common/image.h"

#define XATTR_VALUE_BYTES (IMAGE_STRING_MAX + 1)
#define XATTR_LIST_BYTES  128

/*
 * The value of attribute @name of @vma in @ret_value, which has
 * XATTR_VALUE_BYTES; not NUL-terminated.  Returns its length, or -ENODATA.
 */
int xattr_value(const struct image_vma *vma, const char *name,
		char *ret_value);

/*
 * The names that @vma has, each with its NUL, in @ret_list, which has
 * XATTR_LIST_BYTES.  Returns their length.
 */
int xattr_list(const struct image_vma *vma, char *ret_list);
