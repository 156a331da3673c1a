/* SPDX-License-Identifier: MIT */
/*
 * origin.h - where the image of a mount comes from: this host or a daemon
 *
 * Above: tools/mitosisfs.c.  Below: parent/keeper.c for local: sources, and
 * tools/reach.c for all others, so that fs/ need know neither.
 *
 * Threads: open and close from the main thread (a local twin dies with the
 * thread that made it); the callbacks in the session_image from any.
 */
#pragma once

#include "common/wire.h"
#include "fs/options.h"
#include "fs/session.h"

struct origin;

/*
 * Get the image that @options->source names: by a snapshot now, or from the
 * daemon that holds it.
 *
 * Blocks.  On failure @why, of WIRE_WHY_MAX + 1 bytes, has the reason in words
 * ("" when the errno says it all).  Returns 0 or -errno: those of
 * snapshot_take(), reach_ask() and reach_open().
 */
int origin_open(const struct options *options, struct origin **ret, char *why);

/*
 * What session_open() wants to know.  The transport in it is the session's; the
 * rest stays with the origin, which must outlive the session.
 */
void origin_image(struct origin *origin, struct session_image *ret_image);

/*
 * Let the image go: a local twin, or what this mount asked a daemon to prepare,
 * is released; a named image stays.  NULL and half-built are allowed.
 */
void origin_close(struct origin *origin);
