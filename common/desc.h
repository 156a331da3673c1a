/* SPDX-License-Identifier: MIT */
/*
 * desc.h - the descriptor: an image as bytes, for the wire and for a file
 *
 * Little-endian, versioned, no kernel structs; docs/descriptor.md has the byte
 * tables.  One walk in desc.c serves both directions, so they cannot drift.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/image.h"

#define DESC_MAGIC     0x4453544du /* "MTSD" */
#define DESC_VERSION   10u
#define DESC_BYTES_MAX (256u << 20)

/*
 * Encode @image.  On success *@ret_buf is the caller's to free().
 *
 * Safe while other threads read @image.  Orders and ranges are not looked at:
 * image_check() does that.
 *
 * Returns 0, or -ENOMEM, or -E2BIG when a count passes its maximum in image.h
 * or the whole passes DESC_BYTES_MAX.
 */
int desc_encode(const struct image *image, void **ret_buf,
		size_t *ret_len_bytes);

/*
 * Write into @desc, which desc_encode() has made, how long that took: its
 * IMAGE_PHASE_ENCODE, which nobody knows before.
 */
void desc_note_encoded(void *desc, uint64_t took_ns);

/*
 * Decode and check @len_bytes at @buf, which may come from anybody.
 *
 * After success every count, order and range that image.h promises holds
 * (common/image_check.h).  The image does not point into @buf.
 *
 * Returns 0, or
 *   -EPROTO   not a descriptor, or a broken one
 *   -EPROTONOSUPPORT  a descriptor of another version
 *   -E2BIG    a count passes its maximum
 *   -ENOMEM
 */
int desc_decode(const void *buf, size_t len_bytes, struct image **ret_image);
