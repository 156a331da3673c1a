/* SPDX-License-Identifier: MIT */
/*
 * share.h - one server for all mounts of an image on this host, and how long
 *
 * All mounts are of one file system, so they share its page cache and whoever
 * answers it.  The server holds a mount of its own that is attached nowhere:
 * what it gives to who comes is made from that, and as long as it is held the
 * kernel keeps the file system with its pages.  It is let go of when for
 * cache_ttl there has been no mount that can be seen from here, no page file
 * open and nobody asking; then the session ends by itself, as with the last
 * umount(8) ever.  A mount in another namespace keeps the session alive, but
 * nobody joins it then.
 *
 *     held, found --- nobody for cache_ttl, or the image is gone --> let go
 *
 * Threads: one of its own, which waits for the sockets, for changes of the
 * mount table, and for time to pass.  It never waits for the file system.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "fs/share_seat.h"
#include "fs/use.h"

struct share_options {
	dev_t dev;
	const char *mountpoint; /* where it is mounted now */
	unsigned ttl_s;
	struct use *use; /* of the page file */
	/* Whether the image is still to be had: 0 or -errno.  May block. */
	int (*probe)(void *arg); /* asked once a second, when nobody is there */
	void *probe_arg;
};

struct share;

/*
 * Take the @seat's listener over and answer who comes, once share_ready() was
 * called; until then they wait.
 *
 * Returns 0, or -errno with the seat as it was: -EPERM when this user may not
 * make mounts, -ENOMEM.
 */
int share_open(const struct share_options *options, struct share_seat *seat,
	       struct share **ret);

/* The mount may be shown.  Any thread. */
void share_ready(struct share *share);

/* The page file was closed by its last user.  Any thread; does not block. */
void share_unused(struct share *share);

struct share_state {
	unsigned nr_mounts; /* that can be seen from here */
	unsigned ttl_s;
};

/* Any thread; reads the mount table. */
void share_get_state(struct share *share, struct share_state *ret_state);

/* A path to the file system that stands wherever it is mounted. */
#define SHARE_PATH_MAX 31
void share_path(const struct share *share, char path[SHARE_PATH_MAX + 1]);

/*
 * Be found no more, cut who asks, take all mounts away and let go.  NULL is
 * allowed.
 */
void share_close(struct share *share);
