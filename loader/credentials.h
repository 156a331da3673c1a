/* SPDX-License-Identifier: MIT */
/*
 * credentials.h - who the child may be: ids, groups, capabilities
 *
 * Credentials belong to threads, and making threads with chosen tids needs
 * privilege, so every thread gives up what it must not have by itself, last.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"
#include "loader/steps.h"
#include "loader/why.h"

struct credentials {
	uint32_t uid[4], gid[4]; /* real, effective, saved, file system */
	const uint32_t *groups;
	uint32_t nr_groups;
	bool caps_known;
	uint64_t inheritable, permitted, effective, bounding, ambient;
	uint32_t securebits; /* SECBIT_* */
};

/*
 * This process's own; of the bounding set only what @image does not have is
 * looked at.  On success ret->groups is the caller's to free().  Returns 0 or
 * -errno.
 */
int credentials_read(const struct image *image, struct credentials *ret);

/* Those of @image, whose groups are borrowed. */
void credentials_of_image(const struct image *image, struct credentials *ret);

/*
 * May a process with @own become @image's?  0, or -EPERM with words: as another
 * user, or with securebits that take CAP_SETPCAP.
 */
int credentials_check(const struct image *image, const struct credentials *own,
		      struct why *why);

/*
 * Steps by which the thread that runs them becomes @image's user, never with a
 * capability that @own lacks.  None when nothing differs.
 */
void credentials_plan(struct steps *steps, const struct image *image,
		      const struct credentials *own);

/*
 * For opening the image's files: check permissions as @image's user would.
 * With @back, as ourselves again.  Only for a single-threaded root process;
 * does nothing otherwise.  Returns 0 or -errno.
 */
int credentials_files_as(const struct image *image,
			 const struct credentials *own, bool back);
