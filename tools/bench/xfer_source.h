/* SPDX-License-Identifier: MIT */
/*
 * xfer_source.h - a transport to the pages of a parent, opened as mitosisfs
 * does
 *
 * Over a wire the parent is the serving role's; with "local" one of our own is
 * imaged in this process.  One thread.
 */
#pragma once

#include "tools/bench/flow.h"
#include "tools/bench/peer.h"
#include "tools/bench/xfer.h"

struct xfer_source;

/* A parent of @mib, told to do nothing: peer_close() ends it.  0 or -errno,
 * said. */
int xfer_parent(uint32_t mib, struct peer *ret_parent);

/* Says its error and returns -errno. */
int xfer_source_open(const struct xfer_options *options,
		     struct xfer_source **ret);

struct transport *xfer_source_transport(struct xfer_source *source);

/* The parent's heap. */
const struct flow_area *xfer_source_area(const struct xfer_source *source);

/* The parent's process, with "local"; else 0. */
pid_t xfer_source_pid(const struct xfer_source *source);

/* How the pages come, in words. */
const char *xfer_source_path(const struct xfer_source *source);

/* NULL is allowed. */
void xfer_source_close(struct xfer_source *source);
