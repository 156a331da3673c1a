/* SPDX-License-Identifier: MIT */
#include "loader/backing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "loader/live.h"

/* The area whose page is there; *@ret_at: how far in. */
static const struct image_vma *find_vma(const struct backing *backing,
					uint64_t inode, uint64_t offset_bytes,
					uint64_t *ret_at)
{
	const struct image *image = backing->dir->image;
	const struct image_vma *vma = NULL;

	if (backing->facts->has_space) {
		vma = image_vma_at(image, offset_bytes);
		*ret_at = vma ? offset_bytes - vma->start : 0;
		return vma;
	}
	for (uint32_t i = 0; !vma && i < image->nr_vmas; i++)
		if (backing->facts->vma_inodes[i] == inode)
			vma = &image->vmas[i];
	*ret_at = offset_bytes;
	return vma;
}

static bool is_same_file(const struct image_vma *a, const struct image_vma *b)
{
	return b && a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor;
}

/* Two files may have had one path, one after the other. */
static bool is_shown(const struct image *image, const struct image_vma *vma,
		     const char *path)
{
	bool shown = false;

	for (uint32_t i = 0; i < image->nr_mapped; i++) {
		const struct image_mapped *mapped = &image->mapped[i];

		if (strcmp(mapped->path, path) != 0)
			continue;
		if (!is_same_file(vma, image_vma_at(image, mapped->raddr)))
			return false;
		shown = true;
	}
	return shown;
}

static int open_shown(const struct imagedir *dir, const struct image_vma *vma)
{
	char path[IMAGE_STRING_MAX + 8];
	size_t stem = image_path_stem(vma->name);
	int len =
		snprintf(path, sizeof(path), "files%.*s", (int)stem, vma->name);

	if (len < 0 || (size_t)len >= sizeof(path) ||
	    !is_shown(dir->image, vma, path + strlen("files")))
		return -ENOENT;
	len = openat(dir->fd, path, O_RDONLY | O_CLOEXEC);
	return len < 0 ? -errno : len;
}

static bool has_all(const struct image_fd *fd, const struct image_vma *vma)
{
	return fd->kind == IMAGE_FD_MEMFD && fd->inode == vma->inode &&
	       major(fd->dev) == vma->dev_major &&
	       minor(fd->dev) == vma->dev_minor && fd->data_bytes &&
	       fd->data_bytes == fd->size_bytes;
}

static int make_filled(const struct image *image, const struct image_vma *vma)
{
	for (uint32_t i = 0; i < image->nr_fds; i++) {
		const struct image_fd *fd = &image->fds[i];
		CLEANUP_CLOSE int made = -1;

		if (!has_all(fd, vma))
			continue;
		made = memfd_create("mitosis-file", MFD_CLOEXEC);
		if (made < 0)
			return -errno;
		if (io_write_all(made, fd->data, fd->data_bytes))
			return -ENOMEM;
		return steal_fd(&made);
	}
	return -ENOENT;
}

static int open_it(const struct backing *backing, const struct image_vma *vma)
{
	int fd = -ENOENT;

	if (backing->facts->same_host)
		fd = live_open_map(backing->dir->image, vma);
	if (fd < 0)
		fd = open_shown(backing->dir, vma);
	if (fd < 0)
		fd = make_filled(backing->dir->image, vma);
	return fd;
}

/* The areas of one file share one open file, or -ENOENT. */
static int find_open(const struct backing *backing, const struct image_vma *vma)
{
	const struct image *image = backing->dir->image;

	for (uint32_t i = 0; i < image->nr_vmas; i++)
		if (backing->fds[i] && is_same_file(vma, &image->vmas[i]) &&
		    !strcmp(vma->name, image->vmas[i].name))
			return backing->fds[i] - 1;
	return -ENOENT;
}

static int open_once(struct backing *backing, const struct image_vma *vma)
{
	const struct image *image = backing->dir->image;
	uint32_t i = (uint32_t)(vma - image->vmas);
	int fd;

	if (!backing->fds)
		backing->fds = calloc(image->nr_vmas, sizeof(*backing->fds));
	if (!backing->fds)
		return -ENOMEM;
	if (backing->fds[i])
		return backing->fds[i] - 1;
	fd = find_open(backing, vma);
	if (fd >= 0)
		return fd;
	fd = open_it(backing, vma);
	if (fd >= 0)
		backing->fds[i] = fd + 1;
	return fd;
}

int backing_open(void *arg, uint64_t inode, uint64_t offset_bytes, int *ret_fd,
		 uint64_t *ret_offset_bytes)
{
	struct backing *backing = arg;
	uint64_t at = 0;
	const struct image_vma *vma =
		find_vma(backing, inode, offset_bytes, &at);
	int fd;

	if (!vma || vma->kind != IMAGE_VMA_FILE)
		return -ENOENT;
	fd = open_once(backing, vma);
	if (fd < 0)
		return fd == -ENOMEM ? fd : -ENOENT;
	*ret_fd = fd;
	*ret_offset_bytes = vma->offset_bytes + at;
	return 0;
}

void backing_close(struct backing *backing)
{
	if (!backing || !backing->fds)
		return;
	for (uint32_t i = 0; i < backing->dir->image->nr_vmas; i++)
		if (backing->fds[i])
			(void)close(backing->fds[i] - 1);
	free(backing->fds);
	backing->fds = NULL;
}
