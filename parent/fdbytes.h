/* SPDX-License-Identifier: MIT */
/*
 * fdbytes.h - the bytes of a file that no path leads to any more
 *
 * A temporary file that was deleted when it was opened, or a memfd, is its
 * process's alone: nothing else of the image could bring it back.
 *
 *   fdbytes_open()  target runs    may wait for a disk; brings the bytes into
 *                                  memory
 *   fdbytes_read()  target paused  takes only what is there
 *
 * Above: fds.c.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"
#include "parent/fdlook.h"

/* Of all such files together: they are read while the target stands still. */
#define FDBYTES_MAX	  (4u << 20)
#define FDBYTES_FILES_MAX 64u

/*
 * A descriptor to read the file behind @image_fd by, for the caller to close,
 * or -1: it has a name, or another one by a hard link, no bytes, or more than
 * IMAGE_FD_DATA_MAX, may not be read, or lies where a read may wait for another
 * host.
 *
 * It is a description of our own: the target's position does not change, nor,
 * where we own the file or have CAP_FOWNER, the time of the last access.
 */
int fdbytes_open(struct fdlook *look, const struct image_fd *image_fd);

/*
 * Fill data of @image_fd from @file, of fdbytes_open(), with all its
 * size_bytes; with nothing if these are more than IMAGE_FD_DATA_MAX or
 * @max_bytes, or not in memory.  Returns how many bytes it has.
 */
uint32_t fdbytes_read(int file, struct image_fd *image_fd, uint32_t max_bytes);
