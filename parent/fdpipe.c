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

/*
 * A second pipe that points at what @from holds, @max bytes at most.  It has as
 * many slots, @capacity bytes, as each small write took one.  *@ret_reader is
 * the caller's.  How many bytes it holds, or -errno without a pipe.
 */
static ssize_t tee_off(int from, size_t max, uint64_t capacity, int *ret_reader)
{
	CLEANUP_CLOSE int reader = -1;
	CLEANUP_CLOSE int writer = -1;
	ssize_t holds;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	reader = ends[0];
	writer = ends[1];
	(void)fcntl(writer, F_SETPIPE_SZ, (int)capacity);
	holds = tee(from, writer, max, SPLICE_F_NONBLOCK);
	*ret_reader = steal_fd(&reader);
	return holds < 0 ? 0 : holds;
}

int fdpipe_tee(int copy, struct fdpipe *pipe)
{
	CLEANUP_CLOSE int reader = -1;
	int unread = 0, capacity = fcntl(copy, F_GETPIPE_SZ);
	ssize_t holds;

	if (capacity < 0)
		return -errno;
	pipe->capacity_bytes = (uint64_t)capacity;
	if (ioctl(copy, FIONREAD, &unread))
		return -errno;
	if (unread <= 0)
		return 0;
	if (unread > (int)IMAGE_FD_DATA_MAX)
		return -EFBIG;
	holds = tee_off(copy, (size_t)unread, pipe->capacity_bytes, &reader);
	if (holds != unread)
		return holds < 0 ? (int)holds : -EFBIG;
	pipe->reader = steal_fd(&reader);
	pipe->unread_bytes = unread;
	return 0;
}

/*
 * A read takes a message whole, or throws its rest away, and no more than that
 * one: of a second pipe that points at the same, @bytes bytes are read.
 */
static bool shows_packets(const struct fdpipe *pipe, size_t bytes,
			  bool if_unknown)
{
	CLEANUP_CLOSE int reader = -1;
	const ssize_t holds = tee_off(pipe->reader, (size_t)pipe->unread_bytes,
				      pipe->capacity_bytes, &reader);
	char seen[2];
	ssize_t got;
	int left;

	if (holds < (ssize_t)bytes)
		return if_unknown;
	got = read(reader, seen, bytes);
	if (got < 0 || ioctl(reader, FIONREAD, &left))
		return if_unknown;
	return got != (ssize_t)bytes || left != holds - got;
}

/* By one byte a first message that is longer, by two one that is not. */
static bool has_packets(const struct fdpipe *pipe, bool if_unknown)
{
	if (pipe->unread_bytes < 2)
		return if_unknown;
	return shows_packets(pipe, 1, if_unknown) ||
	       shows_packets(pipe, 2, if_unknown);
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
