/* SPDX-License-Identifier: MIT */
/*
 * join.h - a mount that comes finds the server that its image has already
 *
 * The image is open by then, so who comes has been let in by its daemon, as by
 * every mount; nothing here stands in for that.
 */
#pragma once

#include "fs/session.h"
#include "fs/share_seat.h"

/*
 * Attach a mount of a running server at options->mountpoint.  Where there is
 * none that will do, *@ret_seat is taken for a server of our own (or has the
 * reason why it is not to be found), and is the caller's to leave.
 *
 * Blocks until that server is ready, 10 s when it says nothing.  Returns 1 when
 * mounted, 0 when not, or -errno of move_mount(2) on the mount point.
 */
int join(const struct options *options, const struct session_image *image,
	 struct share_seat *ret_seat);
