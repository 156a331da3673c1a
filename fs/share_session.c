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
 * Of a descriptor of our device, or -errno: that, or -ESTALE.  Who is late here
 * may find another's mount by the same path and number, as the kernel gives the
 * number again.  Ours is gone then, and gives it away only after it is cut: so
 * what is held while we are not cut is ours.
 */
static int if_ours(struct fuse_session *fuse, int fd)
{
	CLEANUP_CLOSE int held = fd;

	if (held >= 0 && is_cut(fuse))
		return -ESTALE;
	return held < 0 ? held : steal_fd(&held);
}

/*
 * Ours may be gone already, or out of reach, or elsewhere: the folder above it
 * has been moved, or it has been bound to another place and unmounted at the
 * first.
 */
static void unmount_alone(const struct share_session *session,
			  struct fuse_session *fuse)
{
	CLEANUP_CLOSE int held = -1;

	held = if_ours(fuse,
		       mounts_hold(session->dev, session->options->mountpoint));
	if (held < 0 && !is_cut(fuse))
		held = if_ours(fuse, mounts_hold_any(session->dev));
	if (held < 0)
		return;
	mounts_detach(session->dev);
	if (!is_cut(fuse))
		mounts_ask_detach(session->dev);
	cut(session, held);
}

void share_session_unmount(const struct share_session *session,
			   struct fuse_session *fuse, struct share *share)
{
	CLEANUP_CLOSE int held = -1;
	char path[SHARE_PATH_MAX + 1];

	if (!share) {
		unmount_alone(session, fuse);
		return;
	}
	share_path(share, path);
	held = if_ours(fuse, mounts_hold(session->dev, path));
	share_close(share);
	cut(session, held);
}

/*
 * libfuse closes the descriptor first and forgets its number later: who wrote
 * to it in between would write to whatever has that number by then.  And unless
 * it is cut it unmounts whatever is by the path that was mounted first.
 */
void share_session_done(struct fuse_session *fuse)
{
	if (is_cut(fuse))
		fuse_session_unmount(fuse);
}
