/* SPDX-License-Identifier: MIT */
#include "fs/share_session.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/page.h"
#include "common/source.h"
#include "fs/mounts.h"

/*
 * Whether the image is still there: its name may be another image's by now, so
 * by bytes of it.  By those of its executable: memory may be here already, in a
 * stash or held, and no answer of the far end.  That there are none to be had
 * for us is an answer.
 */
static int probe(void *arg)
{
	const struct share_session *session = arg;
	_Alignas(PAGE_BYTES) uint8_t page[PAGE_BYTES];
	struct fetch_stats stats;
	int r = fetch_read(session->fetch, SOURCE_EXE, 0, page, sizeof(page));

	if (r != -EIO)
		return r;
	fetch_get_stats(session->fetch, &stats);
	return stats.is_lost || stats.is_gone ? -EIO : 0;
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
