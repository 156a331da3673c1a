/* SPDX-License-Identifier: MIT */
/*
 * image_check.h - that an image keeps the promises of image.h
 *
 * desc_decode() runs it on what others send; parent/ may run it on what it
 * built.  Readers of an image then rely on every order and range without
 * looking again.
 */
#pragma once

#include "common/image.h"

/*
 * Look at all of @image; O(size of the image), no system calls.
 *
 * On -EPROTO *@ret_why (may be NULL) is set to the first broken promise, in
 * words, static.
 *
 * Returns 0, -EPROTO, or -ENOMEM.
 */
int image_check(const struct image *image, const char **ret_why);
