/* SPDX-License-Identifier: MIT */
#include "parent/fdbytes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"

#define WARM_BYTES 65536

/* The number of its file system (linux/magic.h); 0 when that is not told. */
static long fs_of(int file)
{
	struct statfs fs;

	return fstatfs(file, &fs) ? 0 : (long)fs.f_type;
}

static bool is_memory(long fs)
{
	return fs == TMPFS_MAGIC || fs == RAMFS_MAGIC;
}

/* Memory, or a disk's that knows RWF_NOWAIT. */
static bool is_near(long fs)
{
	return is_memory(fs) || fs == EXT4_SUPER_MAGIC ||
	       fs == XFS_SUPER_MAGIC || fs == BTRFS_SUPER_MAGIC ||
	       fs == F2FS_SUPER_MAGIC;
}

static void warm(int file, size_t bytes)
{
	char piece[WARM_BYTES];

	for (size_t at = 0; at < bytes; at += sizeof(piece))
		if (pread(file, piece, sizeof(piece), (off_t)at) <= 0)
			return;
}

/* Of the others the kernel wants to know that we own the file, or may act so.
 */
static int open_unseen(const char *path)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
	int file = open(path, flags | O_NOATIME);

	return file < 0 && errno == EPERM ? open(path, flags) : file;
}

/*
 * The target runs, and may put a pipe or a device behind the number, whose
 * opening would not be without effect: looked at first.
 */
static int open_checked(struct fdlook *look, const struct image_fd *image_fd)
{
	CLEANUP_CLOSE int handle = -1;
	struct stat st;
	char name[32];

	(void)snprintf(name, sizeof(name), "%d", image_fd->fd);
	handle = openat(look->fd_dir, name, O_PATH | O_CLOEXEC);
	if (handle < 0 || fstat(handle, &st) || !S_ISREG(st.st_mode) ||
	    st.st_ino != image_fd->inode || st.st_dev != image_fd->dev ||
	    st.st_nlink)
		return -1;
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", handle);
	return open_unseen(name);
}

int fdbytes_open(struct fdlook *look, const struct image_fd *image_fd)
{
	CLEANUP_CLOSE int file = -1;

	if (!image_fd_is_nameless(image_fd) || !image_fd->size_bytes ||
	    image_fd->size_bytes > IMAGE_FD_DATA_MAX)
		return -1;
	file = open_checked(look, image_fd);
	if (file < 0 || !is_near(fs_of(file)))
		return -1;
	warm(file, image_fd->size_bytes);
	return steal_fd(&file);
}

/* Of memory there is nothing to wait for, and it does not know the flag. */
static ssize_t read_at(int file, uint8_t *to, size_t len, size_t at)
{
	struct iovec bytes = {to, len};
	ssize_t got = preadv2(file, &bytes, 1, (off_t)at, RWF_NOWAIT);

	if (got < 0 && errno == EOPNOTSUPP && is_memory(fs_of(file)))
		got = pread(file, to, len, (off_t)at);
	return got;
}

static uint8_t *read_whole(int file, size_t bytes)
{
	CLEANUP_FREE uint8_t *data = malloc(bytes);

	for (size_t at = 0; data && at < bytes;) {
		ssize_t got = read_at(file, data + at, bytes - at, at);

		if (got <= 0)
			return NULL;
		at += (size_t)got;
	}
	return steal_ptr(&data);
}

uint32_t fdbytes_read(int file, struct image_fd *image_fd, uint32_t max_bytes)
{
	if (file < 0 || !image_fd->size_bytes ||
	    image_fd->size_bytes > max_bytes ||
	    image_fd->size_bytes > IMAGE_FD_DATA_MAX)
		return 0;
	free(image_fd->data);
	image_fd->data = read_whole(file, image_fd->size_bytes);
	image_fd->data_bytes =
		image_fd->data ? (uint32_t)image_fd->size_bytes : 0;
	return image_fd->data_bytes;
}
