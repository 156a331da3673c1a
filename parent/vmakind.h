/* SPDX-License-Identifier: MIT */
/*
 * vmakind.h - what one memory area is, and whether it can be imaged
 *
 * The judgement behind vmas.c: from the columns of maps and the letters of
 * VmFlags to enum image_vma_kind.  No state.
 */
#pragma once

#include "common/image.h"
#include "parent/text.h"

/*
 * Parse the letters after "VmFlags:".  Those that an image carries are added to
 * @vma->flags; those that decide the kind are returned, as bits that only the
 * functions below understand.
 */
unsigned vmakind_flags(struct text line, struct image_vma *vma);

/* The same of the number after "ProtectionKey:" (pkeys(7)). */
unsigned vmakind_key(struct text line);

/* The kind of @vma, whose columns and flags are filled. */
enum image_vma_kind vmakind_of(const struct image_vma *vma, unsigned vmflags);

/* Why @vma, whose kind is known, cannot be imaged ("is ..."), or NULL. */
const char *vmakind_refusal(const struct image_vma *vma, unsigned vmflags);
