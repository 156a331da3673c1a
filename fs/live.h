/* SPDX-License-Identifier: MIT */
/*
 * live.h - files of the mount that change: made at their open, freed at their
 * release
 *
 * So who reads one piece by piece reads one text.
 *
 * Above: fs/ops.c.  Threads: any.
 */
#pragma once

#include "fs/ops.h"

/* Answer OPEN: the text hangs at @file until live_release(). */
void live_open(fuse_req_t req, enum tree_live live,
	       struct fuse_file_info *file);

/* Answer READ. */
void live_read(fuse_req_t req, size_t size, off_t offset,
	       const struct fuse_file_info *file);

/* Free the text; the answer is the caller's. */
void live_release(const struct fuse_file_info *file);
