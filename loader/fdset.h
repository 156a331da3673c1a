/* SPDX-License-Identifier: MIT */
/*
 * fdset.h - all descriptors of the image at their old numbers
 *
 * Our own descriptors are at or above fd_base, where the image has none; below
 * it everything is closed first.  In the child, single-threaded.
 */
#pragma once

#include "loader/fdmake.h"

/*
 * Make all.  Files are opened with the rights of the image's user.
 *
 * Returns 0, or -errno with words.
 */
int fdset_make(const struct fdmake *make);
