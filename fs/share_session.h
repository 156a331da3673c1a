/* SPDX-License-Identifier: MIT */
/*
 * share_session.h - a session whose server other mounts may share: how it
 * begins and how it ends
 */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <sys/types.h>

#include "fs/options.h"
#include "fs/share.h"
#include "rdmafetch/fetch.h"

struct share_session {
	const struct options *options;
	dev_t dev; /* of the file system */
	struct fetch *fetch;
	struct use *use;
};

/*
 * Let other mounts of the image find the one at options->mountpoint.  Where
 * that cannot be (no right to make mounts, but by fusermount3) it is as good,
 * and alone: NULL, and seat->why says why.
 *
 * All of @session live longer, and it too.  The @seat is left in any case.
 */
struct share *share_session_open(struct share_session *session,
				 struct share_seat *seat);

/*
 * Unmount @fuse everywhere, cut who still waits for it, and free @share; NULL:
 * it was alone.  Its descriptor stays open for those who write to it yet.
 */
void share_session_unmount(const struct share_session *session,
			   struct fuse_session *fuse, struct share *share);

/* They have ended: what of @fuse fuse_session_destroy() does not free. */
void share_session_done(struct fuse_session *fuse);
