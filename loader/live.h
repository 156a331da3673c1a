/* SPDX-License-Identifier: MIT */
/*
 * live.h - files that a child maps as they are, not as the image has them
 *
 * A program that writes a file by its descriptor and reads it by a shared map
 * without PROT_WRITE (LMDB, SQLite) must see there what it wrote.  Its child's
 * descriptor is the file on this host, so the map has to be of that, too; but
 * another file's bytes would be worse than the image's.  So a map is live only
 * where all of this holds:
 *
 *   the boot is the parent's, and the image has a descriptor of the file;
 *   each descriptor of it is opened by its own path (no --fd N=... for it);
 *   the path leads to the same device and inode number, to a file that was
 *   there when the image was taken (its time of birth: numbers are used again)
 *   and has not got an older time of change since;
 *   maps tell the device that stat(2) tells (not so on btrfs and overlayfs).
 *
 * Else the map stays the image's.  Above: load.c (once), objects.c (each
 * child).  Any thread.
 */
#pragma once

#include <stdbool.h>

#include "common/image.h"
#include "loader/fate.h"

/*
 * For each of image->vmas the descriptor whose file it maps live, or NULL.
 * @ret_live is the caller's to free(); its elements are @image's.  Blocks on
 * the file systems of the files.  0 or -ENOMEM.
 */
int live_find(const struct image *image, const struct fate *fates,
	      const struct image_fd ***ret_live);

/*
 * Open the file of @fd, which live_find() told, once more, for reading, and for
 * writing where the image has a descriptor that may: the child's mprotect(2)
 * asks.  A close-on-exec descriptor, or -ESTALE when it is not to be mapped any
 * more, or -errno of open(2).
 */
int live_open(const struct image *image, const struct fate *fates,
	      const struct image_fd *fd);

/*
 * Open for reading the file that @vma maps, if it is certainly the one: as
 * above, but without a descriptor of it.  Only on the parent's host and boot.
 * Blocks on its file system, but on no lease: -EWOULDBLOCK.  Else as
 * live_open().
 */
int live_open_map(const struct image *image, const struct image_vma *vma);
