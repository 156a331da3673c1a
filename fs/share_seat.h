/* SPDX-License-Identifier: MIT */
/*
 * share_seat.h - where the server of an image is found: at most one has the
 * seat
 *
 * /run/mitosisfs, a folder that is root's alone, has a socket for each server,
 * by what its mounts have in common (share_name()).  Who looks holds the
 * folder's lock until it is connected or sits there itself, so of many that
 * come at once one sits.  A socket that nobody listens at is a dead server's,
 * and is taken away by the next who sits down.
 *
 * Threads: the caller's; nothing is shared but the folder.
 */
#pragma once

#include "fs/share_terms.h"

#define SHARE_FOLDER  "/run/mitosisfs"
#define SHARE_WHY_MAX 191u

struct share_seat {
	struct share_terms terms;
	int folder;   /* open, or -1 */
	int listener; /* -1: this server is not to be found */
	char name[SHARE_NAME_MAX + 1];
	char why[SHARE_WHY_MAX + 1]; /* it is not, or is not the only one */
};

/* A seat that nobody finds, for the reason @why. */
void share_seat_none(struct share_seat *seat, const char *why);

/*
 * Find the server of @terms: *@ret_sock, connected; or, where there is none,
 * sit there (*@ret_sock is -1): whoever connects waits until somebody accepts.
 *
 * Blocks 2 s at most.  Returns 0 with the seat to be left, or -errno: -EPERM
 * for a folder that others may use, -EAGAIN when its lock is not to be had,
 * those of mkdir(2), open(2), bind(2).
 */
int share_seat_find(const struct share_terms *terms, struct share_seat *seat,
		    int *ret_sock);

/*
 * Call @fn with a connection, its own to close, to each other server of the
 * seat's image, until it returns other than 0.
 */
void share_seat_others(const struct share_seat *seat,
		       int (*fn)(void *arg, int sock), void *arg);

/* Nobody finds it any more; who has connected, but was not accepted, is cut. */
void share_seat_leave(struct share_seat *seat);
