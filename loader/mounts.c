/* SPDX-License-Identifier: MIT */
/*
 * mounts.c - /proc/self/mounts and umount2(2)
 */
#include "loader/mounts.h"

#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#define ROUNDS_MAX 64 /* detaching changes the list that is being read */

static int is_image(const struct mntent *entry)
{
	return strcmp(entry->mnt_type, "fuse.mitosisfs") == 0 ||
	       strcmp(entry->mnt_type, "mitosisfs") == 0;
}

/* One walk over the list; returns how many were detached. */
static int forget_some(void)
{
	FILE *list = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;
	int nr = 0;

	if (!list)
		return 0;
	while ((entry = getmntent(list)))
		if (is_image(entry) && !umount2(entry->mnt_dir, MNT_DETACH))
			nr++;
	(void)endmntent(list);
	return nr;
}

void mounts_forget_images(void)
{
	for (int round = 0; round < ROUNDS_MAX && forget_some(); round++)
		;
}
