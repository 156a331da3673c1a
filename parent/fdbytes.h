/* SPDX-License-Identifier: MIT */
/*
 * fdbytes.h - the bytes of a file that no path leads to any more
 *
 * Above: fds.c, inside the pause.  A temporary file that was deleted when it
 * was opened, or a memfd, is its process's alone: nothing else of the image
 * could bring it back.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"
#include "parent/fdlook.h"

/* Of all such files together: they are read while the target stands still. */
#define FDBYTES_MAX (4u << 20)

/*
 * Fill data of @image_fd, a regular file or memfd, if its path says that it was
 * deleted, with all its size_bytes.
 *
 * One that has more than IMAGE_FD_DATA_MAX or @left_bytes bytes, that is open
 * for writing only, or whose bytes are not at hand (on a disk alone, on another
 * host) has no data then.  Returns how many bytes it has.
 */
uint32_t fdbytes_read(struct fdlook *look, struct image_fd *image_fd,
		      uint32_t left_bytes);
