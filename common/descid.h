/* SPDX-License-Identifier: MIT */
/*
 * descid.h - which image a descriptor is of, in a few bytes
 *
 * A descriptor says when its image was taken, and of which process, so no two
 * images have the same.  An id allows nothing: who has seen the descriptor knows
 * it.  Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DESCID_BYTES 16u

/* The id of the image that the @len_bytes of @desc describe. */
void descid_of(const void *desc, size_t len_bytes,
	       uint8_t ret_id[DESCID_BYTES]);
