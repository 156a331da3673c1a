/* SPDX-License-Identifier: MIT */
#include "parent/fdbytes.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Memory, or a file system whose deleted files are memory or on a local disk.
 */
static bool is_near(int file)
{
	struct statfs fs;

	return !fstatfs(file, &fs) &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ||
		fs.f_type == OVERLAYFS_SUPER_MAGIC);
}

/*
 * The target stands still: what is not in memory, or would be asked of another
 * host, is not waited for.
 */
static ssize_t read_at(int file, uint8_t *to, size_t len, size_t at)
{
	struct iovec bytes = {to, len};
	ssize_t got = preadv2(file, &bytes, 1, (off_t)at, RWF_NOWAIT);

	if (got < 0 && errno == EOPNOTSUPP && is_near(file))
		got = pread(file, to, len, (off_t)at);
	return got;
}

static uint8_t *read_whole(struct fdlook *look, const struct image_fd *image_fd)
{
	CLEANUP_CLOSE int file = fdlook_copy(look, image_fd->fd);
	CLEANUP_FREE uint8_t *data = NULL;

	data = file < 0 ? NULL : malloc(image_fd->size_bytes);
	for (size_t at = 0; data && at < image_fd->size_bytes;) {
		ssize_t got =
			read_at(file, data + at, image_fd->size_bytes - at, at);

		if (got <= 0)
			return NULL;
		at += (size_t)got;
	}
	return steal_ptr(&data);
}

uint32_t fdbytes_read(struct fdlook *look, struct image_fd *image_fd,
		      uint32_t left_bytes)
{
	if (!image_fd_is_nameless(image_fd) || image_fd->same_as >= 0 ||
	    !image_fd->size_bytes || image_fd->size_bytes > left_bytes ||
	    image_fd->size_bytes > IMAGE_FD_DATA_MAX)
		return 0;
	free(image_fd->data);
	image_fd->data = read_whole(look, image_fd);
	image_fd->data_bytes =
		image_fd->data ? (uint32_t)image_fd->size_bytes : 0;
	return image_fd->data_bytes;
}
