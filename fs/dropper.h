/* SPDX-License-Identifier: MIT */
/*
 * dropper.h - cache=off: takes pages out of the kernel's cache again
 *
 * A thread of its own: the kernel waits there for pages that are being read,
 * and the workers must go on to answer those reads.
 */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

struct dropper;

/* @fuse is mounted and outlives the dropper.  Returns 0 or -errno. */
int dropper_open(struct fuse_session *fuse, struct dropper **ret);

/*
 * Soon after this no page of @ino is in the kernel's cache but for those that
 * are read again meanwhile.  Any thread; does not block.  Without memory the
 * pages stay until the next open of the file drops them.
 */
void dropper_drop(struct dropper *dropper, fuse_ino_t ino);

/* After the loop, when nobody waits for a read any more.  NULL is allowed. */
void dropper_close(struct dropper *dropper);
