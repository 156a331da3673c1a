/* SPDX-License-Identifier: MIT */
#include "parent/fdbytes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"

/* Opened anew: the target's own description may be for writing only. */
static uint8_t *read_whole(struct fdlook *look, const struct image_fd *image_fd)
{
	CLEANUP_FREE uint8_t *data = NULL;
	CLEANUP_CLOSE int file = -1;
	char name[16];

	(void)snprintf(name, sizeof(name), "%d", image_fd->fd);
	file = openat(look->fd_dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	data = file < 0 ? NULL : malloc(image_fd->size_bytes);
	if (!data || io_read_all(file, data, image_fd->size_bytes))
		return NULL;
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
