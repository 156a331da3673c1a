/* SPDX-License-Identifier: MIT */
#include "fs/join.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "fs/mounts.h"
#include "fs/share_link.h"

#define TRIES	  20	/* servers that end while we ask them */
#define REPLY_MS  10000 /* a server that says nothing */
#define OTHERS_MS 200	/* one that is asked for a reason only */

static int send_request(int sock, const struct share_terms *terms)
{
	struct share_request request;

	share_put_request(terms, &request);
	return send(sock, &request, sizeof(request), MSG_NOSIGNAL) ==
			       (ssize_t)sizeof(request)
		       ? 0
		       : -ECONNRESET;
}

/* 1 when there is something to read, 0 when not within @ms (-1: ever). */
static int wait_readable(int sock, int ms)
{
	struct pollfd poll_fd = {sock, POLLIN, 0};
	int r;

	do
		r = poll(&poll_fd, 1, ms);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

/* 0, -ECONNRESET for a server that has gone, -EPROTO, -ETIMEDOUT. */
static int take_reply(int sock, int ms, struct share_reply *ret_reply,
		      int *ret_mount)
{
	struct share_reply reply;
	CLEANUP_CLOSE int mount = -1;
	unsigned nr = 0;
	int r = wait_readable(sock, ms);

	if (r <= 0)
		return r ? r : -ETIMEDOUT;
	r = io_recv_fds(sock, &reply, sizeof(reply), &mount, 1, &nr);
	if (r)
		return r == -ENODATA ? -ECONNRESET : r;
	r = share_get_reply(&reply, sizeof(reply), ret_reply);
	if (!r && (ret_reply->verdict == SHARE_YES) != (nr == 1))
		r = -EPROTO;
	if (!r)
		*ret_mount = steal_fd(&mount);
	return r;
}

/* Whether the far end is still there. */
static bool is_alive(int sock)
{
	struct pollfd poll_fd = {sock, 0, 0};

	return poll(&poll_fd, 1, 0) >= 0 &&
	       !(poll_fd.revents & (POLLHUP | POLLERR));
}

/*
 * A server that was told to end meanwhile has taken away all mounts that it
 * knew of: ours is attached after that, or is gone with them.
 */
static int attach(int sock, int mount, const char *path)
{
	int r = mounts_attach(mount, path);

	if (r || is_alive(sock))
		return r;
	(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	return -ECONNRESET;
}

static void tell_verdict(const struct share_reply *reply, char *why)
{
	if (reply->verdict == SHARE_CANNOT)
		(void)snprintf(why, SHARE_WHY_MAX + 1,
			       "its server cannot make another mount: %s",
			       strerror((int)reply->error));
	else if (reply->term < SHARE_NR_TERMS)
		(void)snprintf(why, SHARE_WHY_MAX + 1,
			       "another mount of this image has another %s",
			       share_term_name((enum share_term)reply->term));
	else
		(void)snprintf(why, SHARE_WHY_MAX + 1,
			       "another image is there");
}

/*
 * 1 mounted; 0 with words in @why: no; -ECONNRESET: the server has ended; or
 * -errno of the mount point.
 */
static int ask(int sock, const struct share_terms *terms, const char *path,
	       char *why)
{
	CLEANUP_CLOSE int mount = -1;
	struct share_reply reply = {.verdict = SHARE_WAIT};
	int ms = REPLY_MS, r = send_request(sock, terms);

	while (!r && reply.verdict == SHARE_WAIT) {
		r = take_reply(sock, ms, &reply, &mount);
		ms = -1;
	}
	if (!r && reply.verdict == SHARE_YES) {
		r = attach(sock, mount, path);
		return r ? r : 1;
	}
	if (r == -ECONNRESET)
		return r;
	if (r)
		(void)snprintf(why, SHARE_WHY_MAX + 1,
			       "the server of this image does not answer: %s",
			       strerror(-r));
	else
		tell_verdict(&reply, why);
	return 0;
}

/* Another server of the image: which option keeps us from sharing with it. */
static int ask_difference(void *arg, int other)
{
	CLEANUP_CLOSE int sock = other, mount = -1;
	struct share_seat *seat = arg;
	struct share_reply reply;

	if (send_request(sock, &seat->terms) ||
	    take_reply(sock, OTHERS_MS, &reply, &mount) ||
	    reply.verdict != SHARE_NO)
		return 0;
	tell_verdict(&reply, seat->why);
	return 1;
}

/* -EPERM is our own: see open_folder() of share_seat.c. */
static void tell_folder(int error, char *why)
{
	if (error == -EPERM || error == -EACCES)
		(void)snprintf(why, SHARE_WHY_MAX + 1,
			       SHARE_FOLDER
			       ": it must belong to root, with no "
			       "right for others; this mount has "
			       "a server and pages of its own");
	else
		(void)snprintf(why, SHARE_WHY_MAX + 1,
			       SHARE_FOLDER
			       ": %s; this mount has a server and "
			       "pages of its own",
			       strerror(-error));
}

int join(const struct options *options, const struct session_image *image,
	 struct share_seat *ret_seat)
{
	const char *forbidden = share_forbidden(options);
	const struct share_image open = {
		image->image, image->desc, image->desc_bytes,
		options->modes.replays && image->trace != NULL};
	struct share_terms terms;
	char why[SHARE_WHY_MAX + 1] = "its servers end as soon as they begin";

	share_seat_none(ret_seat, forbidden ? forbidden : "");
	if (forbidden)
		return 0;
	share_terms_of(options, &open, &terms);
	for (int i = 0; i < TRIES; i++) {
		CLEANUP_CLOSE int sock = -1;
		int r = share_seat_find(&terms, ret_seat, &sock);

		if (r) {
			tell_folder(r, why);
			break;
		}
		if (sock < 0) {
			share_seat_others(ret_seat, ask_difference, ret_seat);
			return 0;
		}
		share_seat_leave(ret_seat);
		r = ask(sock, &terms, options->mountpoint, why);
		if (r > 0 || (r < 0 && r != -ECONNRESET))
			return r;
		if (!r)
			break;
	}
	share_seat_none(ret_seat, why);
	return 0;
}
