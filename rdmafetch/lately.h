/* SPDX-License-Identifier: MIT */
/*
 * lately.h - what readers were given a moment ago
 *
 * What a tool reads is kept by the kernel for as long as it likes, so it is not
 * here for good.  But two reads of a tool may come in either order, and what is
 * foreseen behind the one that comes late was given already:
 *
 *     the tool    [ a ][ b ][ c ..
 *     comes here  b, a          behind a: b, which is not to be fetched again
 *
 * So the last runs are remembered, until one is asked for again: then the
 * kernel has dropped it, or it is another file's, and nothing is known any
 * more.
 *
 * Threads: none of its own; the caller locks.
 */
#pragma once

#include "common/image.h"
#include "rdmafetch/pageset.h"
#include "rdmafetch/prefetch.h"

#define LATELY_RUNS 256u /* of 128 KiB: many readers' last ones */

struct lately;

/* Nothing of @image, which is borrowed, was given.  0 or -ENOMEM. */
int lately_new(const struct image *image, struct lately **ret);

/* NULL is allowed. */
void lately_free(struct lately *lately);

/* The pages of @run that the image has are given to a reader now. */
void lately_given(struct lately *lately, struct prefetch_run run);

/* What was given; good as long as @lately. */
const struct pageset *lately_pages(const struct lately *lately);
