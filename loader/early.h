/* SPDX-License-Identifier: MIT */
/*
 * early.h - ask for the pages that a child needs before it runs
 *
 * The child copies the main stack, and the kernel writes to what the thread
 * pointers point at.  Asked for while the child is made, these pages are here
 * when it comes to them; else each would be a way to the far end and back, with
 * nobody else at work.
 */
#pragma once

#include "loader/imagedir.h"

/*
 * Ask the kernel to bring them into its page cache.
 *
 * Waits for none of them, and whatever does not come is brought by who touches
 * it.  Not in a copy of an image, nor in a warm one: their pages are near, and
 * readahead(2) of a warm file would ask mitosisfs, which its maps do not.
 */
void early_ask(const struct imagedir *dir);
