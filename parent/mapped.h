/* SPDX-License-Identifier: MIT */
/*
 * mapped.h - the files that a process has mapped, opened as it has them
 *
 * A library that was replaced since it was mapped is another file at the same
 * path.  So a file is opened through the twin's area (/proc/TWIN/map_files),
 * which is the very file, deleted or not; without the power for that, by its
 * path, and then it must be the area's inode.
 *
 * An area shows a part of a file, and the files of an image are shown whole.
 * So each is shown only if the user for whom the image is taken may read it:
 * the kernel is asked, as that user, about the open file.
 *
 * Below: /proc.  Above: parent/holder.c (once), parent/pages.c (each READ).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/image.h"

struct mapped_ask {
	pid_t twin; /* stopped: its areas are the image's */
	uid_t uid;  /* for whom */
	gid_t gid;
};

/*
 * Fill image->mapped from the areas of @image.  What is no regular file with a
 * path is left out: devices, memfd and SysV memory, a mitosisfs's own .space or
 * .warm.
 *
 * Blocks for disks, and for a fork() when @ask is about another user than us.
 * Returns 0 or -ENOMEM; of what cannot be opened nothing is said.
 */
int mapped_scan(const struct mapped_ask *ask, struct image *image);

/*
 * Open the file of @vma with @flags of open(2): O_RDONLY or O_PATH.
 *
 * The caller must see afterwards that the twin lives still: only then the
 * number @twin was its own.  Returns 0, or -errno of open(2), -ESTALE when
 * another file has the path.
 */
int mapped_open(pid_t twin, const struct image_vma *vma, int flags,
		int *ret_fd);

/* Is the open file @fd still what @mapped says, by size and time of change? */
bool mapped_is_same(int fd, const struct image_mapped *mapped);
