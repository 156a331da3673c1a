/* SPDX-License-Identifier: MIT */
/*
 * stashing.h - a mount's stash: by its options, and as it is told
 *
 * Who mounts may go on without one; a directory that others may enter is no
 * place for one, and refuses the mount.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "common/image.h"
#include "common/json.h"
#include "common/prom.h"
#include "fs/options.h"
#include "rdmafetch/stash.h"
#include "rdmafetch/stash_dir.h"

struct stashing {
	struct stash *stash; /* NULL: there is none */
	int dir_fd;	     /* owned; -1: in memory */
	bool is_wanted;
	char where[STASH_WHY_MAX + 1];	 /* "memory", or the directory */
	char why_not[STASH_WHY_MAX + 1]; /* is_wanted, and there is none */
};

/*
 * Open the directory of stash=DIR, if one was said; before the mount costs
 * anybody anything.  Returns 0, or -errno with words in @why (STASH_WHY_MAX + 1
 * bytes).
 */
int stashing_prepare(struct stashing *stashing, const struct options *options,
		     char *why);

struct stashing_image {
	const struct image *image; /* borrowed, until stashing_close() */
	const void *desc;
	size_t desc_bytes;
	bool is_transient; /* the image goes with the mount */
};

/* Open the stash of @image; why_not is set when that fails. */
void stashing_open(struct stashing *stashing, const struct options *options,
		   const struct stashing_image *image);

/* @is_gone: the image is no more, and its file shall go too. */
void stashing_close(struct stashing *stashing, bool is_gone);

/* Lines of status, members of status.json, families of metrics. */
void stashing_print(FILE *out, const struct stashing *stashing);
void stashing_put(struct json *json, const struct stashing *stashing);
void stashing_metrics(struct prom *prom, const struct stashing *stashing);
