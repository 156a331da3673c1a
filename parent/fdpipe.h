/* SPDX-License-Identifier: MIT */
/*
 * fdpipe.h - the bytes that wait in a pipe, without taking them
 *
 * Above: fds.c.  Only inside the pause, as each call waits for the pipe's lock,
 * which a thread that splices into it from a socket holds until something
 * comes: stopped, the target's threads have let go of it.  tee(2) makes a second pipe point at the same
 * pages, which costs no copy; the bytes are read out when the target runs
 * again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"

struct fdpipe {
	uint64_t capacity_bytes;
	int reader; /* of our own pipe, or -1 for none */
	int unread_bytes;
};

/*
 * Note what is unread in the pipe behind @copy, a copy of the target's reading
 * end, which stays the caller's.
 *
 * Returns 0, -EFBIG when it is more than IMAGE_FD_DATA_MAX or than a pipe of
 * ours may hold, or -errno.
 */
int fdpipe_tee(int copy, struct fdpipe *pipe);

/*
 * Read what was noted into @image_fd->data, with the bounds of messages if it
 * has them.  One byte does not show that: @packets, whether there is a writer
 * here with O_DIRECT, says it.
 *
 * Returns 0, -ENOMEM, -errno, or -EFBIG: with bounds it is too much.
 */
int fdpipe_read(const struct fdpipe *pipe, bool packets,
		struct image_fd *image_fd);

void fdpipe_close(struct fdpipe *pipe);
