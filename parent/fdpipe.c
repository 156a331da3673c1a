/* SPDX-License-Identifier: MIT */
#include "parent/fdpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/packets.h"
#include "common/page.h"

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

/*
 * A read takes a message whole, or throws its rest away: of a second pipe that
 * points at the same, one byte is read.
 */
static bool has_packets(const struct fdpipe *pipe, bool if_unknown)
{
	CLEANUP_CLOSE int reader = -1;
	CLEANUP_CLOSE int writer = -1;
	int ends[2], left = 0;
	ssize_t seen;
	char byte;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return if_unknown;
	reader = ends[0];
	writer = ends[1];
	seen = tee(pipe->reader, writer, (size_t)pipe->unread_bytes,
		   SPLICE_F_NONBLOCK);
	if (seen < 2 || read(reader, &byte, 1) != 1 ||
	    ioctl(reader, FIONREAD, &left))
		return if_unknown;
	return left != seen - 1;
}

/* One read, one message, into @data, of @max bytes.  *@ret_bytes: all of it. */
static int read_packets(const struct fdpipe *pipe, uint8_t *data, size_t max,
			size_t *ret_bytes)
{
	size_t left = (size_t)pipe->unread_bytes;
	uint8_t *at = data;

	while (left) {
		size_t ask =
			left < PACKETS_BYTES_MAX ? left : PACKETS_BYTES_MAX;
		ssize_t got;

		if (max - (size_t)(at - data) < PACKETS_HEAD_BYTES + ask)
			return -EFBIG;
		got = read(pipe->reader, at + PACKETS_HEAD_BYTES, ask);
		if (got <= 0)
			return got ? -errno : -ENODATA;
		at = packets_head(at, (size_t)got) + got;
		left -= (size_t)got;
	}
	*ret_bytes = (size_t)(at - data);
	return *ret_bytes > IMAGE_FD_DATA_MAX ? -EFBIG : 0;
}

int fdpipe_read(const struct fdpipe *pipe, bool packets,
		struct image_fd *image_fd)
{
	CLEANUP_FREE uint8_t *data = NULL;
	size_t bytes = (size_t)pipe->unread_bytes, max = bytes;
	int rc;

	if (pipe->reader < 0)
		return 0;
	packets = has_packets(pipe, packets);
	/* Each message lies in a page of its own. */
	if (packets)
		max += PACKETS_HEAD_BYTES * (pipe->capacity_bytes / PAGE_BYTES);
	data = malloc(max);
	if (!data)
		return -ENOMEM;
	rc = packets ? read_packets(pipe, data, max, &bytes)
		     : io_read_all(pipe->reader, data, bytes);
	if (rc)
		return rc;
	free(image_fd->data);
	image_fd->data = steal_ptr(&data);
	image_fd->data_bytes = (uint32_t)bytes;
	image_fd->type = packets ? IMAGE_FD_PACKETS : 0;
	return 0;
}

void fdpipe_close(struct fdpipe *pipe)
{
	cleanup_close(&pipe->reader);
	*pipe = (struct fdpipe){.reader = -1};
}
