/* SPDX-License-Identifier: MIT */
/*
 * warm.h - the warm tier: an image whose pages the kernel reads by itself
 *
 *     cold      pages come through mitosisfs, into the kernel's page cache
 *     filling   mode=eager brings all of them into a file in huge pages
 *     warm      that file is image/.warm: a map of it leads past mitosisfs
 *
 * A map of .warm is a map of the file (FUSE passthrough): no fault asks
 * anybody, 2 MiB are mapped at once, and mitosisfs may die.  What cannot be had
 * leaves the mount cold, with the reason.
 *
 * Above: fs/session.c and fs/ops.c.  Below: fs/warmfile.c, fs/passthrough.c.
 *
 * Threads: any, once open; begin and close from the session's.
 * Locks: warm's own, of which bytes are here; not held in a copy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/image.h"

#define WARM_WHY_MAX 127

enum warm_tier {
	WARM_COLD,
	WARM_FILLING,
	WARM_WARM,
};

/* Where it stands. */
struct warm_state {
	enum warm_tier tier;
	char why[WARM_WHY_MAX + 1]; /* the reason, when cold */
	uint64_t file_bytes;	    /* memory that the file takes */
	uint64_t waste_bytes;	    /* of it, holes in whole units */
	uint64_t reads; /* of files, answered out of it by mitosisfs */
};

struct warm;

/*
 * Cold for now, as @why says.  @image is borrowed.  NULL without memory.
 */
struct warm *warm_new(const struct image *image, const char *why);

/*
 * Begin to fill: make the file, and have the kernel of the mount behind
 * @fuse_fd know it.  Returns 0, or -errno; then it stays cold, and its state
 * has the reason.
 */
int warm_begin(struct warm *warm, int fuse_fd, bool has_passthrough);

/*
 * Pages came to @buf: copy them, unless they are here.  Whether they are now:
 * without memory for them what has come stays, the rest must go elsewhere, and
 * the tier is cold.  May block for as long as memory takes to be cleared.
 */
bool warm_take(struct warm *warm, uint64_t first_page, uint64_t nr_pages,
	       const void *buf);

/*
 * Copy what is here of @len_bytes at @raddr, from @raddr on; holes of the image
 * are zeros.  Returns how many bytes that was.  Both are page aligned.
 */
size_t warm_read(struct warm *warm, uint64_t raddr, void *buf,
		 size_t len_bytes);

/* How many of @len_bytes at @raddr follow on each other and are not here. */
size_t warm_absent(struct warm *warm, uint64_t raddr, size_t len_bytes);

/*
 * Wait until all is here, close the file for writing, and publish it.
 * @must_end(@arg) is asked now and then whether to give up.  Returns 0, or
 * -ENOTSUP when it is cold, -ECANCELED, or -errno, and it is cold then.
 */
int warm_publish(struct warm *warm, int (*must_end)(void *arg), void *arg);

/* Give up: it stays cold, for @why. */
void warm_abandon(struct warm *warm, const char *why);

/* The number under which the kernel knows the published file, or 0. */
int warm_backing_id(const struct warm *warm);

void warm_get_state(struct warm *warm, struct warm_state *ret_state);

/* "cold", "filling" or "warm". */
const char *warm_tier_word(enum warm_tier tier);

/*
 * Nobody calls any more.  Maps of the published file stay.  NULL is allowed.
 */
void warm_free(struct warm *warm);
