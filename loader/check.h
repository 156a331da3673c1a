/* SPDX-License-Identifier: MIT */
/*
 * check.h - can this image live on this host?
 *
 * Everything that can be known is refused here, with words, before a process is
 * made.
 */
#pragma once

#include "loader/imagedir.h"
#include "loader/plan.h"

/* Was the image made on this host, since it booted? */
bool check_same_host(const struct image *image);

/*
 * Returns 0, or -errno with words: a missing CPU feature, another kernel's
 * vdso, a mount without exec, too many maps, a pid that cannot be had, a user
 * that we may not become.
 */
int check_image(const struct imagedir *dir, const struct plan_facts *facts,
		struct why *why);
