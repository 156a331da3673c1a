/* SPDX-License-Identifier: MIT */
#include "fs/share_session.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
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
	const struct share_options options = {
		.dev = session->dev,
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
 * Nobody answers any more, but open files keep the file system: who stores a
 * page would wait for ever for one whose READ is pending, and the session for
 * him.
 */
static void cut(const struct share_session *session, int held)
{
	if (held >= 0)
		mounts_cut(session->dev);
}

/*
 * Keep our file system, mounted at @path.  A descriptor, or -errno: who is late
 * here may find another's mount by the same path and number, as the kernel
 * gives the number again.  Ours is gone then, and gives it away only after it
 * is cut: so what is held while we are not cut is ours.
 */
static int hold(const struct share_session *session, struct fuse_session *fuse,
		const char *path)
{
	CLEANUP_CLOSE int held = mounts_hold(session->dev, path);

	if (held >= 0 && is_cut(fuse))
		return -ESTALE;
	return held < 0 ? held : steal_fd(&held);
}

/*
 * libfuse unmounts, unless it is cut, whatever is by the path that was mounted
 * first.  That may be another file system by now, and ours gone already, or out
 * of reach.
 */
void share_session_unmount(const struct share_session *session,
			   struct fuse_session *fuse, struct share *share)
{
	CLEANUP_CLOSE int held = -1;
	char path[SHARE_PATH_MAX + 1];

	if (!share) {
		held = hold(session, fuse, session->options->mountpoint);
		if (held >= 0)
			mounts_detach(session->dev);
		if (held >= 0 || is_cut(fuse))
			fuse_session_unmount(fuse);
		cut(session, held);
		return;
	}
	share_path(share, path);
	held = hold(session, fuse, path);
	share_close(share);
	cut(session, held);
	if (is_cut(fuse))
		fuse_session_unmount(fuse);
}
