/* SPDX-License-Identifier: MIT */
/*
 * warmfile.h - memory for a whole image, as a file in huge pages
 *
 * A tmpfs of our own, mounted nowhere, holds one file whose offsets are the
 * parent's addresses.  Whole units are written, and the rest is filled through
 * maps (fs/warmplan.h says which); then it is closed for writing.
 *
 * It knows nothing of what has come: see fs/warm.h.
 *
 * Threads: any, each for a part of its own; open, seal and close from one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/image.h"

struct warmfile;

/*
 * Make the file, with room for all pages of @image.  No memory is taken yet.
 *
 * Returns 0, -ENOMEM, -E2BIG (the image is in too many pieces), or -errno of
 * fsopen(2) and its kind: -EPERM without CAP_SYS_ADMIN, -ENOSYS before Linux
 * 5.2; -ENOSPC when neither the host nor the memory cgroups of this process
 * have room for it (fs/memroom.h), with an eighth to spare.
 */
int warmfile_open(const struct image *image, struct warmfile **ret);

/*
 * The file, open for reading; the warm file's own.  Holes read as zeros, and
 * take memory then.
 */
int warmfile_fd(const struct warmfile *file);

/*
 * Copy the @nr_pages pages from @first_page on, which the image has and which
 * are at @buf, and take the memory for them.  Units of 2 MiB that are whole in
 * it are filled fastest.  May block while the kernel clears memory, 0.1 ms/MiB
 * and more.  0, -ENOMEM, -EFAULT when the file has no room for one of them, or
 * -errno of pwrite(2) or madvise(2); then some of them may be there.
 */
int warmfile_put(struct warmfile *file, uint64_t first_page, uint64_t nr_pages,
		 const void *buf);

/*
 * Where @first_page and the @nr_pages - 1 that follow lie, or NULL when the
 * file has no room for one of them (a hole of the image).  Read-only once
 * sealed.
 */
void *warmfile_at(const struct warmfile *file, uint64_t first_page,
		  uint64_t nr_pages);

/* Nobody writes it any more, nor can.  Returns 0 or -errno. */
int warmfile_seal(struct warmfile *file);

/* What it takes now, in bytes, and what holes take of it in whole units. */
uint64_t warmfile_bytes(const struct warmfile *file);
uint64_t warmfile_waste_bytes(const struct warmfile *file);

/*
 * Forget it.  Its pages live on as long as somebody has it mapped.  NULL is
 * allowed.
 */
void warmfile_close(struct warmfile *file);
