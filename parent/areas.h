/* SPDX-License-Identifier: MIT */
/*
 * areas.h - the areas that fork() does not protect, asked quickly
 *
 * Above: shared.c, inside the pause.  Below: PROCMAP_QUERY (Linux 6.11), which
 * walks past private areas in the kernel, or the text of /proc/PID/maps.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"

/* /proc/@pid/maps, for the caller to close; -ESRCH or another -errno. */
int areas_open(pid_t pid);

/*
 * List the areas of kind IMAGE_VMA_SHARED.  Huge pages of private maps are not
 * among them: only smaps tells them.
 *
 * The table is the caller's: vmas_free().  0, -ESRCH, -ENOMEM, -errno.
 */
int areas_list(int maps_fd, struct image_vma **ret_areas, uint32_t *ret_nr);

/*
 * The area that holds @raddr, of any kind and without its name: start, end,
 * prot, offset_bytes, inode and the flag IMAGE_VMA_SHARED_MAP.
 *
 * Returns 0, -ENOENT, or -ENOTTY when the kernel is too old to be asked.
 */
int areas_at(int maps_fd, uint64_t raddr, struct image_vma *ret_area);

/* areas_list() without PROCMAP_QUERY. */
int areas_list_slowly(int maps_fd, struct image_vma **ret_areas,
		      uint32_t *ret_nr);
