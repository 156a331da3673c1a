/* SPDX-License-Identifier: MIT */
/*
 * guard_remap.h - mremap calls that grow, move or copy: into zeros, by pieces
 *
 * A file map would grow into the file's next bytes, and what was one anonymous
 * area in the parent may by now be several maps (the image's and replaced
 * ones), which the kernel does not resize as one.  So the area is put together
 * anew: a reservation, anonymous memory for what it gains, each piece moved to
 * its place.
 *
 *     old    [ image  ][anon][ image ]
 *     new    [ image  ][anon][ image ][ anonymous tail ]
 *
 * Above: guard.  Below: guard_map, guard_call, guard_drop.
 */
#pragma once

#include "loader/guard_call.h"

/*
 * Answer a waiting mremap.  0, or -EIO when a move failed half-way and could
 * not be undone: the child must be killed.
 */
int guard_remap(struct guard_call *call);
