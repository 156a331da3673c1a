/* SPDX-License-Identifier: MIT */
/*
 * ctl_mounts.h - the mitosisfs mounts of this host, for mitosisctl status
 *
 * Found in the mount table; each is asked by its own file status.  A mount that
 * does not answer holds nobody up.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "common/json.h"
#include "tools/mountstatus.h"

#define CTL_MOUNTS_PATIENCE_MS 2000

struct ctl_mount {
	char *point, *text; /* owned; text: of its file */
	/* Into text; of what does not answer only the state is told. */
	struct mountstatus status;
};

struct ctl_mounts {
	struct ctl_mount *list;
	size_t nr;
};

/*
 * Find and ask all that this process can see.  Blocks for as long as they take
 * to answer, CTL_MOUNTS_PATIENCE_MS each at most.  Returns 0 or -errno;
 * ctl_mounts_done() in any case.
 */
int ctl_mounts_find(struct ctl_mounts *ret);

/* A table; nothing when there are none. */
void ctl_mounts_print(const struct ctl_mounts *mounts, FILE *out);

/* A member "mounts", an array. */
void ctl_mounts_put(const struct ctl_mounts *mounts, struct json *json);

void ctl_mounts_done(struct ctl_mounts *mounts);
