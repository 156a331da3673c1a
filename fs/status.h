/* SPDX-License-Identifier: MIT */
/*
 * status.h - how this mount is doing: /mnt/status in "key: value" lines, and
 * /mnt/status.json, whose schema is docs/status-json.md
 */
#pragma once

#include <stdint.h>

#include "common/image.h"
#include "fs/childnotes.h"
#include "fs/eager.h"
#include "fs/share.h"
#include "fs/warm.h"
#include "rdmafetch/fetch.h"

#define STATUS_TRANSPORT_MAX 383u

/* What does not change while the mount lives; all borrowed. */
struct stashing;

struct status_origin {
	const char *source; /* as the user gave it */
	const char *name;   /* of the image at the daemon, or "" */
	const struct image *image;
	/* How pages come now, in words: "local", "verbs (mlx5_0)". */
	void (*transport)(void *arg, char text[STATUS_TRANSPORT_MAX + 1]);
	/* 1 while the far end holds the image; NULL: unknown. */
	int (*alive)(void *arg);
	void *arg;	   /* of both */
	uint64_t mount_ns; /* request to an image that is open; of that: */
	/*
	 * a snapshot taken, here or by a daemon (0: it was there); the
	 * connection and the descriptor; it decoded
	 */
	uint64_t snapshot_ns, descriptor_ns, decode_ns;
	uint64_t tree_ns, attach_ns; /* then, and only then: mount(2) */
	size_t desc_bytes;
	const char *mode;  /* modes_name() */
	const char *cache; /* modes_cache_name() */
	const char *fuse;  /* channel_name(): how this question came */
	const struct stashing *stashing; /* NULL: no matter */
	struct eager *eager;		 /* NULL: everything is not wanted */
	struct use *use;		 /* of the pages */
	struct share *share;		 /* NULL: a server of its own, ... */
	const char *sharing_why;	 /* ... why; NULL: unknown */
	struct warm *warm;
	struct childnotes *notes;
};

/*
 * The text, to be freed by the caller, or NULL without memory.  Any thread;
 * does not block on the network.
 */
char *status_text(const struct status_origin *origin, struct fetch *fetch);

/* The same as JSON. */
char *status_json(const struct status_origin *origin, struct fetch *fetch);

/* "running", "complete" or "failed". */
const char *status_eager_word(const struct eager_state *state);
