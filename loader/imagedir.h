/* SPDX-License-Identifier: MIT */
/*
 * imagedir.h - an image as a directory: a mounted one or a copy of it
 *
 *   DIR/descriptor      everything but pages (common/desc.h)
 *   DIR/vma/START-END   the pages of one area; offset 0 is START
 *   DIR/.space          only when mounted: all areas in one file, whose offsets
 *                       are the virtual addresses; not shown by readdir
 *   DIR/.warm           the same of a complete image: its maps need nobody
 *   DIR/exe             the program, for a host that does not have it
 *
 * Step 8 of the way of a page.  Used by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "loader/why.h"

#define IMAGEDIR_NAME_MAX 48 /* "vma/%08lx-%08lx" and its NUL */

struct imagedir {
	char *path;   /* as given */
	int fd;	      /* of the directory, O_PATH */
	int space;    /* of .warm, else of .space, or -1 */
	bool is_warm; /* of .warm */
	bool noexec;  /* the mount forbids executable maps: load_open() tries */
	struct image *image;
};

/*
 * Open @path, or @path/image if that is where the descriptor is.
 *
 * Reads from the mount, so it blocks on it.  Returns 0, or -errno with words in
 * @why.
 */
int imagedir_open(const char *path, struct imagedir **ret_dir, struct why *why);

/* The name of @vma's file below the directory. */
void imagedir_vma_name(const struct image_vma *vma,
		       char ret_name[IMAGEDIR_NAME_MAX]);

/*
 * Open the file that holds @vma's pages for reading; *@ret_shift is what to
 * subtract from an address to get its offset.  The caller closes *@ret_fd.
 * Returns 0 or -errno.
 */
int imagedir_open_vma(const struct imagedir *dir, const struct image_vma *vma,
		      int *ret_fd, uint64_t *ret_shift);

void imagedir_close(struct imagedir *dir);
