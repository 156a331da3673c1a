/* SPDX-License-Identifier: MIT */
#include "loader/live.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h> /* not every libc has statx(2) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"

#define NS_PER_SECOND UINT64_C(1000000000)

static bool is_same_file(const struct image_fd *a, const struct image_fd *b)
{
	return a->kind == IMAGE_FD_FILE && b->kind == IMAGE_FD_FILE &&
	       a->dev == b->dev && a->inode == b->inode;
}

/*
 * Where maps tell another device than stat(2) (btrfs, overlayfs), nothing is
 * certain.
 */
static bool is_of(const struct image_vma *vma, const struct image_fd *fd)
{
	return fd->kind == IMAGE_FD_FILE && vma->inode == fd->inode &&
	       vma->dev_major == major(fd->dev) &&
	       vma->dev_minor == minor(fd->dev) && !strcmp(vma->name, fd->path);
}

static bool is_view(const struct image_vma *vma)
{
	return vma->kind == IMAGE_VMA_FILE && vma->flags & IMAGE_VMA_SHARED_MAP;
}

/* @path below @at, or @at itself with "" and AT_EMPTY_PATH. */
static bool look(int at, const char *path, int flags, struct statx *ret)
{
	return !syscall(SYS_statx, at, path, flags,
			STATX_BASIC_STATS | STATX_BTIME, ret);
}

static uint64_t ns_of(const struct statx_timestamp *time)
{
	return (uint64_t)time->tv_sec * NS_PER_SECOND + time->tv_nsec;
}

static bool is_of_then(const struct image *image, const struct statx *now)
{
	return (now->stx_mode & S_IFMT) == S_IFREG &&
	       (now->stx_mask & STATX_BTIME) &&
	       ns_of(&now->stx_btime) <= image->captured_realtime_ns;
}

/* @fd's file, and not one made later that was given its number. */
static bool is_still(const struct image *image, const struct image_fd *fd,
		     const struct statx *now)
{
	return is_of_then(image, now) &&
	       makedev(now->stx_dev_major, now->stx_dev_minor) == fd->dev &&
	       now->stx_ino == fd->inode &&
	       ns_of(&now->stx_mtime) >= fd->mtime_ns;
}

static bool is_reopened(const struct image *image, const struct fate *fates,
			const struct image_fd *fd)
{
	for (uint32_t i = 0; i < image->nr_fds; i++) {
		const struct image_fd *other = &image->fds[i];

		if (!is_same_file(fd, other) || fates[i].kind == FATE_DUP)
			continue;
		if (fates[i].kind != FATE_REOPEN ||
		    strcmp(other->path, fd->path) != 0)
			return false;
	}
	return true;
}

static bool is_there(const struct image *image, const struct image_fd *fd)
{
	struct statx now;

	return !image_fd_is_nameless(fd) && look(AT_FDCWD, fd->path, 0, &now) &&
	       is_still(image, fd, &now);
}

static const struct image_fd *find(const struct image *image,
				   const struct fate *fates,
				   const struct image_vma *vma)
{
	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (is_of(vma, &image->fds[i]))
			return is_reopened(image, fates, &image->fds[i]) &&
					       is_there(image, &image->fds[i])
				       ? &image->fds[i]
				       : NULL;
	return NULL;
}

int live_find(const struct image *image, const struct fate *fates,
	      const struct image_fd ***ret_live)
{
	const struct image_fd **live =
		calloc(image->nr_vmas + 1u, sizeof(*live));

	if (!live)
		return -ENOMEM;
	for (uint32_t i = 0; i < image->nr_vmas; i++)
		if (is_view(&image->vmas[i]))
			live[i] = find(image, fates, &image->vmas[i]);
	*ret_live = live;
	return 0;
}

static int access_of(const struct image *image, const struct image_fd *fd)
{
	for (uint32_t i = 0; i < image->nr_fds; i++)
		if (is_same_file(fd, &image->fds[i]) &&
		    (image->fds[i].open_flags & O_ACCMODE) == O_RDWR)
			return O_RDWR;
	return O_RDONLY;
}

int live_open(const struct image *image, const struct fate *fates,
	      const struct image_fd *fd)
{
	int flags = access_of(image, fd) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	CLEANUP_CLOSE int opened = -1;
	struct statx now;

	if (!is_reopened(image, fates, fd))
		return -ESTALE;
	opened = open(fd->path, flags);
	if (opened < 0)
		return -errno;
	if (!look(opened, "", AT_EMPTY_PATH, &now) ||
	    !is_still(image, fd, &now))
		return -ESTALE;
	return steal_fd(&opened);
}

/*
 * What is there may be a device by now: it is looked at before it is opened.
 * A lease that somebody has on it (fcntl(2)) is not waited for.
 */
int live_open_map(const struct image *image, const struct image_vma *vma)
{
	CLEANUP_CLOSE int there = -1;
	char path[32];
	struct statx now;
	int opened;

	there = open(vma->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (there < 0)
		return -errno;
	if (!look(there, "", AT_EMPTY_PATH, &now) || !is_of_then(image, &now) ||
	    now.stx_ino != vma->inode || now.stx_dev_major != vma->dev_major ||
	    now.stx_dev_minor != vma->dev_minor)
		return -ESTALE;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", there);
	opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return opened < 0 ? -errno : opened;
}
