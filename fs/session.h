/* SPDX-License-Identifier: MIT */
/*
 * session.h - one mount: from an open image to the kernel and back
 *
 * Step 6 of the way of a page: what was foreseen goes to the kernel at once.
 *
 * Above: tools/mitosisfs.c, which knows where images come from.  Owns the tree,
 * the fetch and the FUSE session.
 *
 * Threads: the caller's thread mounts and runs the loop; the loop makes
 * workers.
 */
#pragma once

#include <stddef.h>

#include "common/image.h"
#include "common/workset.h"
#include "fs/options.h"
#include "fs/share_seat.h"
#include "fs/stashing.h"
#include "fs/status.h"
#include "rdmafetch/transport.h"

/* An image that is open for reading; all borrowed but the transport. */
struct session_image {
	const struct image *image;
	const void *desc;
	size_t desc_bytes;
	struct transport *transport; /* the session's from session_open() on */
	uint64_t nil_ns;	     /* as fetch_options.nil_ns */
	int (*reopen)(void *arg, struct transport **ret);
	void *reopen_arg;
	struct status_origin origin;
	/*
	 * Prepared by the caller, the session's once session_open succeeds.
	 * NULL: no stash.
	 */
	struct stashing *stashing;
	/* An earlier child's working set, for prefetch=trace; NULL: none. */
	const struct workset *trace;
	/*
	 * Keep @set beside the image: what children have faulted until nobody
	 * had it open any more.  From any thread; may block.  NULL: nowhere.
	 */
	void (*record)(void *arg, const struct workset *set);
	void *record_arg;
	struct awake *awake; /* told of reads; NULL: none */
	/* Where other mounts find this one's server; taken.  NULL: nowhere. */
	struct share_seat *seat;
};

struct session;

/*
 * Build the tree and mount it: after success the mount point shows the image,
 * and its questions are answered once session_run() runs.  The transport is
 * closed with the session, or by now when this fails.
 *
 * Returns 0, -ENOMEM, or -errno of mount(2) (libfuse has printed its own line).
 */
int session_open(const struct options *options,
		 const struct session_image *image, struct session **ret);

/*
 * Answer the kernel until the mount is gone (umount, or SIGTERM, SIGINT,
 * SIGHUP).  @ready is called once, when somebody may be told that the mount is
 * there: at once, or with eager=wait when every page is, and then from another
 * thread.  Progress goes to stderr until then; in the foreground after that
 * too.
 *
 * Returns 0, or -errno when the session failed; -EREMOTEIO when eager=wait
 * found pages that cannot be had, -EOPNOTSUPP when warm=require cannot be: then
 * session_why_cold() has the reason.  -EINTR: told to end before it answered.
 */
int session_run(struct session *session, void (*ready)(void *arg), void *arg);

/* Why the image is not warm; "" when it is, or will be. */
void session_why_cold(struct session *session, char why[WARM_WHY_MAX + 1]);

/*
 * The profile of this mount so far, lines as in status; the caller's to free().
 * NULL without memory.
 */
char *session_profile(struct session *session);

/* Unmount when still mounted, and free everything.  NULL is allowed. */
void session_close(struct session *session);
