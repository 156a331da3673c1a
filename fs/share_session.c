/* SPDX-License-Identifier: MIT */
#include "fs/share_session.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/page.h"
#include "common/source.h"
#include "fs/mounts.h"

/*
 * Whether the image is still there, by a page of it: its name may be another
 * image's by now.  Nobody uses the mount, so any failure will do.
 */
static int probe(void *arg)
{
	struct share_session *session = arg;
	const struct image *image = session->image;
	_Alignas(PAGE_BYTES) uint8_t page[PAGE_BYTES];

	if (!image->nr_runs)
		return 0;
	return fetch_read(session->fetch, SOURCE_MEMORY,
			  image->runs[0].first_page << PAGE_SHIFT, page,
			  sizeof(page));
}

struct share *share_session_open(struct share_session *session,
				 struct share_seat *seat)
{
	struct share_options options = {
		.mountpoint = session->options->mountpoint,
		.ttl_s = session->options->cache_ttl_s,
		.use = session->use,
		.probe = probe,
		.probe_arg = session,
	};
	struct share *share = NULL;
	int r;

	if (seat->listener < 0)
		return NULL;
	r = mounts_device(options.mountpoint, &options.dev);
	if (!r)
		r = share_open(&options, seat, &share);
	if (r)
		(void)snprintf(seat->why, sizeof(seat->why),
			       "no second mount can be made: %s", strerror(-r));
	share_seat_leave(seat);
	return share;
}

/* The kernel has cut it: the last mount is gone, or somebody did. */
static bool is_cut(struct fuse_session *fuse)
{
	struct pollfd poll_fd = {fuse_session_fd(fuse), 0, 0};

	return poll(&poll_fd, 1, 0) > 0 && poll_fd.revents & POLLERR;
}

/*
 * libfuse unmounts the path that was mounted first.  With many mounts that may
 * be another file system's by now, and ours are gone already, or out of reach.
 */
void share_session_unmount(struct fuse_session *fuse, struct share *share)
{
	bool is_alone = !share;

	share_close(share);
	if (is_alone || is_cut(fuse))
		fuse_session_unmount(fuse);
}
