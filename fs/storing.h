/* SPDX-License-Identifier: MIT */
/*
 * storing.h - pages that came ahead go into the kernel's page cache
 *
 * What a child needs first may be asked for before there is a mount: it waits
 * here until the file of all pages is known to the kernel, which refuses what
 * is stored before.
 *
 *     asked for -> under way -> [ storing_sink ] -> page cache
 *     new, mount(2), file known -----^ storing_begin
 *
 * Locks: its own, in which nobody else's is taken.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "fs/channel.h"
#include "fs/warm.h"

struct storing {
	pthread_mutex_t lock; /* of state */
	pthread_cond_t change;
	enum { STORING_WAITS, STORING_GOES, STORING_ENDED } state;
	/* Set before storing_begin(); borrowed. */
	struct warm *warm;
	struct fuse_session *fuse;
	uint64_t ino; /* of the file of all pages */
};

void storing_init(struct storing *storing);

/* The file is known: what waits goes on.  Not behind storing_end(). */
void storing_begin(struct storing *storing);

/* Where it has not begun it never will: what waits ends with -ECANCELED. */
void storing_end(struct storing *storing);

/*
 * From now on all ends with -ECANCELED, but for what the kernel has already:
 * that may wait there until the mount is cut.
 */
void storing_stop(struct storing *storing);

/*
 * As fetch_options.sink; @arg is the storing.  Blocks until it begins or ends,
 * and while a page is locked whose READ is pending: so the thread that must
 * answer that READ may never come here.  0, or -errno: not stored.
 */
int storing_sink(void *arg, uint64_t first_page, uint64_t nr_pages,
		 const void *buf);
