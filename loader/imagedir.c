/* SPDX-License-Identifier: MIT */
/*
 * imagedir.c - find the descriptor, decode it, find the pages
 */
#include "loader/imagedir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/desc.h"
#include "common/io.h"

void imagedir_vma_name(const struct image_vma *vma,
		       char ret_name[IMAGEDIR_NAME_MAX])
{
	(void)snprintf(ret_name, IMAGEDIR_NAME_MAX, "vma/%08lx-%08lx",
		       (unsigned long)vma->start, (unsigned long)vma->end);
}

int imagedir_open_vma(const struct imagedir *dir, const struct image_vma *vma,
		      int *ret_fd, uint64_t *ret_shift)
{
	char name[IMAGEDIR_NAME_MAX];
	int fd;

	if (dir->space >= 0) {
		fd = fcntl(dir->space, F_DUPFD_CLOEXEC, 0);
	} else {
		imagedir_vma_name(vma, name);
		fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	*ret_shift = dir->space >= 0 ? 0 : vma->start;
	return 0;
}

/*
 * The directory is only a place to open files at: O_PATH, which asks the file
 * system nothing.
 */
static int open_directory(struct imagedir *dir)
{
	struct stat file;
	int below;

	dir->fd = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0)
		return -errno;
	if (fstatat(dir->fd, "descriptor", &file, 0) == 0)
		return 0;
	below = openat(dir->fd, "image", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (below < 0)
		return 0; /* reading the descriptor tells what is missing */
	(void)close(dir->fd);
	dir->fd = below;
	return 0;
}

static int read_descriptor(struct imagedir *dir, struct why *why)
{
	CLEANUP_FREE char *bytes = NULL;
	size_t len;
	int error = io_slurp_at(dir->fd, "descriptor", DESC_BYTES_MAX, &bytes,
				&len);

	if (error)
		return why_set(why, error, "%s/descriptor: %s%s", dir->path,
			       strerror(-error),
			       error == -ENOENT ? ": not an image" : "");
	error = desc_decode(bytes, len, &dir->image);
	if (error == -EPROTONOSUPPORT)
		return why_set(why, error,
			       "%s: the image has another format version; "
			       "use the same release on both hosts",
			       dir->path);
	if (error)
		return why_set(why, error, "%s/descriptor is damaged: %s",
			       dir->path, strerror(-error));
	return 0;
}

static int fill(struct imagedir *dir, struct why *why)
{
	int error = open_directory(dir);

	if (error)
		return why_set(why, error, "%s: %s", dir->path,
			       strerror(-error));
	error = read_descriptor(dir, why);
	if (error)
		return error;
	/* The warm one needs nobody any more, once it is open. */
	dir->space = openat(dir->fd, ".warm", O_RDONLY | O_CLOEXEC);
	dir->is_warm = dir->space >= 0;
	if (!dir->is_warm)
		dir->space = openat(dir->fd, ".space", O_RDONLY | O_CLOEXEC);
	return 0;
}

int imagedir_open(const char *path, struct imagedir **ret_dir, struct why *why)
{
	struct imagedir *dir = calloc(1, sizeof(*dir));
	int error;

	if (!dir)
		return -ENOMEM;
	dir->fd = dir->space = -1;
	dir->path = strdup(path);
	error = dir->path ? fill(dir, why) : -ENOMEM;
	if (error) {
		imagedir_close(dir);
		return error;
	}
	*ret_dir = dir;
	return 0;
}

void imagedir_close(struct imagedir *dir)
{
	if (!dir)
		return;
	cleanup_close(&dir->fd);
	cleanup_close(&dir->space);
	image_free(dir->image);
	free(dir->path);
	free(dir);
}
