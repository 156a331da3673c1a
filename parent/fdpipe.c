/* SPDX-License-Identifier: MIT */
#include "parent/fdpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"

int fdpipe_tee(int copy, struct fdpipe *pipe)
{
	CLEANUP_CLOSE int reader = -1;
	CLEANUP_CLOSE int writer = -1;
	int unread = 0, ends[2], capacity = fcntl(copy, F_GETPIPE_SZ);

	if (capacity < 0)
		return -errno;
	pipe->capacity_bytes = (uint64_t)capacity;
	if (ioctl(copy, FIONREAD, &unread))
		return -errno;
	if (unread <= 0)
		return 0;
	if (unread > (int)IMAGE_FD_DATA_MAX)
		return -EFBIG;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	reader = ends[0];
	writer = ends[1];
	/* As many slots as theirs: each small write of theirs took one. */
	(void)fcntl(writer, F_SETPIPE_SZ, capacity);
	if (tee(copy, writer, (size_t)unread, SPLICE_F_NONBLOCK) != unread)
		return -EFBIG;
	pipe->reader = steal_fd(&reader);
	pipe->unread_bytes = unread;
	return 0;
}

int fdpipe_read(const struct fdpipe *pipe, struct image_fd *image_fd)
{
	CLEANUP_FREE uint8_t *data = NULL;
	int rc;

	if (pipe->reader < 0)
		return 0;
	data = malloc((size_t)pipe->unread_bytes);
	if (!data)
		return -ENOMEM;
	rc = io_read_all(pipe->reader, data, (size_t)pipe->unread_bytes);
	if (rc)
		return rc;
	free(image_fd->data);
	image_fd->data = steal_ptr(&data);
	image_fd->data_bytes = (uint32_t)pipe->unread_bytes;
	return 0;
}

void fdpipe_close(struct fdpipe *pipe)
{
	cleanup_close(&pipe->reader);
	*pipe = (struct fdpipe){.reader = -1};
}
