/* SPDX-License-Identifier: MIT */
/*
 * mounts.h - where a file system is mounted, and more mounts of it
 *
 * Speaks of what this process can see: the mounts of its namespace.  Asks the
 * file system itself nothing, so it may be our own.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* How many mounts @dev has: 0 or more, or -errno. */
int mounts_count(dev_t dev);

/*
 * Make a mount of @dev that is attached nowhere, from @holder, which is one, or
 * where the kernel cannot (before 6.15) from one that is attached.
 *
 * Returns its descriptor, close-on-exec, or -errno: -EPERM who may not mount,
 * -ENOENT nothing to make it from.
 */
int mounts_clone(dev_t dev, int holder);

/*
 * The same of what is mounted at @path.  -ESTALE when that is not @dev.
 */
int mounts_clone_at(dev_t dev, const char *path);

/*
 * Attach @mount, a mount that mounts_clone() made, at @path.  Until the
 * descriptor is closed umount(8) finds it busy.  0 or -errno of move_mount(2).
 */
int mounts_attach(int mount, const char *path);

/*
 * Take all mounts of @dev out of sight, and cut those who wait for it; where
 * nobody does they end with their last open file.
 */
void mounts_detach(dev_t dev);

/*
 * Keep the file system @dev, which is mounted at @path, and its number: the
 * descriptor that does, close-on-exec, or -errno; -ESTALE when that is not
 * @dev.
 */
int mounts_hold(dev_t dev, const char *path);

/*
 * The same of the first mount of @dev that can be reached, wherever it is.
 * -ENOENT when there is none.
 */
int mounts_hold_any(dev_t dev);

/*
 * As mounts_detach(), for a user who may not: by fusermount3(1), which looks
 * that the mount is his.  It goes by paths: what is mounted on one of them in
 * the moment between is in danger.  Waits for it.
 */
void mounts_ask_detach(dev_t dev);

/*
 * End the connection of the FUSE file system @dev, which is held: who waits
 * for it, or for a page that it was to bring, gets an error.  Also of one
 * without a mount that can be seen; nothing without /sys/fs/fuse/connections.
 */
void mounts_cut(dev_t dev);

/* The device of what is mounted at @path: 0 or -errno. */
int mounts_device(const char *path, dev_t *ret_dev);

/*
 * Let the kernel read @kb KiB around a fault on a file of the FUSE mount at
 * @path that is opened from now on.  Where that cannot be set it is as it was.
 * Asks the mount nothing: its loop need not run.
 */
void mounts_set_readahead(const char *path, uint32_t kb);
