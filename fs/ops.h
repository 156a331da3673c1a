/* SPDX-License-Identifier: MIT */
/*
 * ops.h - the kernel's questions about the tree, answered
 *
 * Step 7 of the way of a page: a fault on a map of .space, or a read(2) of a
 * file, comes here as FUSE_READ, is answered from fetch, and the kernel keeps
 * the page for all children of the host.
 *
 * Everything is immutable: replies live for ever in the kernel's caches
 * (KEEP_CACHE, endless entry and attribute timeouts), but for the live files;
 * with cache=off pages are kept for those who have them open only.
 *
 * Threads: any of the session's; the state is read-only or has locks of its
 * own.
 */
#pragma once

#include <stdbool.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "fs/dropper.h"
#include "fs/parking.h"
#include "fs/status.h"
#include "fs/tree.h"
#include "fs/use.h"
#include "rdmafetch/fetch.h"

struct ops_context {
	const struct tree *tree;
	struct fetch *fetch;
	struct warm *warm;
	const struct status_origin *origin; /* what /status speaks of */
	uid_t uid; /* who files are shown to belong to */
	gid_t gid;
	bool uring;    /* io_uring is wanted */
	bool may_lend; /* nothing keeps pages here, so reads need no copy */
	struct awake *awake;   /* NULL: CPUs sleep when they like */
	struct follow *follow; /* NULL: threads run where they like */
	struct parking *parking; /* NULL: a read without connection fails */
	/* Nobody has the file of all pages open any more; NULL: no matter. */
	void (*unused)(void *arg);
	void *unused_arg;
	struct use *use;	 /* of that file */
	struct dropper *dropper; /* cache=off; NULL: the kernel keeps pages */
};

/* The table for fuse_session_new(), whose userdata is a struct ops_context. */
extern const struct fuse_lowlevel_ops ops_table;

/* Answer a read that was parked, as if the kernel asked now. */
void ops_read_again(const struct parking_read *read);
