/* SPDX-License-Identifier: MIT */
#include "parent/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "parent/access.h"

#define FUSE_MAGIC 0x65735546 /* linux/magic.h of 6.x */

static bool is_inode(const struct stat *st, const struct image_vma *vma)
{
	return S_ISREG(st->st_mode) && st->st_ino == vma->inode &&
	       major(st->st_dev) == vma->dev_major &&
	       minor(st->st_dev) == vma->dev_minor;
}

/* Without any effect (O_PATH): what is there may be a device by now. */
static int try_path(const char *path, const struct image_vma *vma, int *ret_fd)
{
	CLEANUP_CLOSE int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!is_inode(&st, vma))
		return -ESTALE;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/*
 * The kernel tells a path from the root of whoever asks, as far as that leads,
 * and else from the root of the mount: a process in a chroot has the first, one
 * in a container the second.
 */
static int find_path(pid_t twin, const struct image_vma *vma, int *ret_fd)
{
	char path[IMAGE_STRING_MAX + 32];
	int rc;

	(void)snprintf(path, sizeof(path), "/proc/%d/root%s", twin, vma->name);
	rc = try_path(path, vma, ret_fd);
	return rc ? try_path(vma->name, vma, ret_fd) : 0;
}

static int open_path(pid_t twin, const struct image_vma *vma, int flags,
		     int *ret_fd)
{
	CLEANUP_CLOSE int there = -1;
	char path[32];
	int rc = find_path(twin, vma, &there);

	if (rc)
		return rc;
	if (flags & O_PATH) {
		*ret_fd = steal_fd(&there);
		return 0;
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", there);
	rc = open(path, flags | O_CLOEXEC);
	if (rc < 0)
		return -errno;
	*ret_fd = rc;
	return 0;
}

int mapped_open(pid_t twin, const struct image_vma *vma, int flags, int *ret_fd)
{
	char path[80];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", twin,
		       (unsigned long long)vma->start,
		       (unsigned long long)vma->end);
	fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == EPERM)
		return open_path(twin, vma, flags, ret_fd);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static uint64_t mtime_of(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000u +
	       (uint64_t)st->st_mtim.tv_nsec;
}

bool mapped_is_same(int fd, const struct image_mapped *mapped)
{
	struct stat st;

	return !fstat(fd, &st) && (uint64_t)st.st_size == mapped->size_bytes &&
	       mtime_of(&st) == mapped->mtime_ns;
}

/* ---- which files there are ---- */

/* The kernel's own tmpfs (memfd, SysV, anonymous) is at device 0:1. */
static bool is_candidate(const struct image_vma *vma)
{
	return vma->inode && vma->name[0] == '/' &&
	       (vma->kind == IMAGE_VMA_FILE || vma->kind == IMAGE_VMA_SHARED) &&
	       !(vma->flags & IMAGE_VMA_HUGETLB) &&
	       (vma->dev_major || vma->dev_minor != 1);
}

static int compare_files(const struct image_vma *a, const struct image_vma *b)
{
	if (a->dev_major != b->dev_major)
		return a->dev_major < b->dev_major ? -1 : 1;
	if (a->dev_minor != b->dev_minor)
		return a->dev_minor < b->dev_minor ? -1 : 1;
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* By file, then by address. */
static int compare(const void *left, const void *right)
{
	const struct image_vma *a = *(const struct image_vma *const *)left;
	const struct image_vma *b = *(const struct image_vma *const *)right;
	int order = compare_files(a, b);

	return order ? order : (a->start > b->start) - (a->start < b->start);
}

static int compare_starts(const void *left, const void *right)
{
	const struct image_vma *a = *(const struct image_vma *const *)left;
	const struct image_vma *b = *(const struct image_vma *const *)right;

	return (a->start > b->start) - (a->start < b->start);
}

/* The first area of each file, by address. */
static uint32_t find_first_areas(const struct image *image,
				 const struct image_vma **areas)
{
	uint32_t nr = 0, kept = 0;

	for (uint32_t i = 0; i < image->nr_vmas; i++)
		if (is_candidate(&image->vmas[i]))
			areas[nr++] = &image->vmas[i];
	qsort(areas, nr, sizeof(*areas), compare);
	for (uint32_t i = 0; i < nr; i++)
		if (!i || compare_files(areas[i - 1], areas[i]))
			areas[kept++] = areas[i];
	qsort(areas, kept, sizeof(*areas), compare_starts);
	return kept < IMAGE_MAPPED_MAX ? kept : IMAGE_MAPPED_MAX;
}

/* ---- what each is ---- */

/*
 * The kernel says " (deleted)" behind a path that leads nowhere any more, and a
 * file may be called so.
 */
static bool is_deleted(pid_t twin, const struct image_vma *vma)
{
	CLEANUP_CLOSE int fd = -1;

	if (!vma->name[image_path_stem(vma->name)])
		return false;
	return find_path(twin, vma, &fd) != 0;
}

/* Its size is that of all addresses, and whoever reads it waits for us. */
static bool is_our_space(int fd, const char *name)
{
	const char *last = strrchr(name, '/');
	struct statfs fs;

	if (!last ||
	    (strcmp(last, "/.space") != 0 && strcmp(last, "/.warm") != 0))
		return false;
	/* A warm child goes on when its mitosisfs is dead. */
	return fstatfs(fd, &fs) ? errno == ENOTCONN : fs.f_type == FUSE_MAGIC;
}

static int fill(const struct mapped_ask *ask, const struct image_vma *vma,
		struct image_mapped *mapped)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;
	size_t len = strlen(vma->name);

	if (mapped_open(ask->twin, vma, O_PATH, &fd) || fstat(fd, &st) ||
	    !S_ISREG(st.st_mode) || is_our_space(fd, vma->name))
		return -ENOENT;
	*mapped = (struct image_mapped){
		.raddr = vma->start,
		.size_bytes = (uint64_t)st.st_size,
		.mtime_ns = mtime_of(&st),
		.mode = st.st_mode & 0777,
	};
	if (access_is_ours(ask) && !access_may_read(fd))
		mapped->flags = IMAGE_MAPPED_CLOSED;
	if (is_deleted(ask->twin, vma)) {
		mapped->flags |= IMAGE_MAPPED_DELETED;
		len = image_path_stem(vma->name);
	}
	mapped->path = strndup(vma->name, len);
	if (!mapped->path)
		return -ENOMEM;
	if (image_path_ok(mapped->path))
		return 0;
	free(mapped->path);
	return -ENOENT;
}

static int fill_all(const struct mapped_ask *ask,
		    const struct image_vma **areas, uint32_t nr,
		    struct image *image)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < nr; i++) {
		int rc = fill(ask, areas[i], &image->mapped[kept]);

		if (rc == -ENOMEM)
			return rc;
		if (rc)
			continue;
		areas[kept++] = areas[i];
		image->nr_mapped = kept;
	}
	return 0;
}

int mapped_scan(const struct mapped_ask *ask, struct image *image)
{
	CLEANUP_FREE const struct image_vma **areas =
		calloc(image->nr_vmas + 1u, sizeof(*areas));
	CLEANUP_FREE bool *may = NULL;
	uint32_t nr;
	int rc;

	if (!areas)
		return -ENOMEM;
	nr = find_first_areas(image, areas);
	image->mapped = calloc(nr + 1u, sizeof(*image->mapped));
	if (!image->mapped)
		return -ENOMEM;
	rc = fill_all(ask, areas, nr, image);
	if (rc || access_is_ours(ask))
		return rc;
	rc = access_ask(ask, areas, image->nr_mapped, &may);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < image->nr_mapped; i++)
		if (!may[i])
			image->mapped[i].flags |= IMAGE_MAPPED_CLOSED;
	return 0;
}
