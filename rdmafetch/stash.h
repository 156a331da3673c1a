/* SPDX-License-Identifier: MIT */
/*
 * stash.h - fetched pages of an image, kept on this host
 *
 * Above: fetch.c asks it before the transport, ahead.c too; what came is put in
 * after whoever waited has been answered.  Below: stash_file, in memory or in a
 * directory (stash_dir), and sieve, which says what goes.
 *
 * What it gives was checked: a page whose sum is wrong is not here.  A stash
 * that cannot write, or has no room, only has less.
 *
 * Threads: every call is safe from any thread.  Locks: its own, the last one to
 * be taken; not held across I/O.  Get and put block for I/O on a local file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/image.h"
#include "rdmafetch/pieces.h"
#include "rdmafetch/prefetch.h"

struct stash;

struct stash_options {
	const struct image *image; /* borrowed, as long as the stash lives */
	const void *desc;	   /* whose descriptor this is; not kept */
	size_t desc_bytes;
	int dir_fd;	    /* stash_dir_open()'s, borrowed; -1: in memory */
	uint64_t max_bytes; /* with what is in the directory already */
	bool is_transient;  /* nobody can mount this image again */
};

/* Pages are counted each time. */
struct stash_stats {
	uint64_t hit_pages, miss_pages; /* of those that were asked for */
	uint64_t kept_pages, evicted_pages;
	uint64_t bad_pages;    /* damaged: not given, to be fetched anew */
	uint64_t failed_pages; /* could not be written */
	uint64_t used_bytes, max_bytes; /* now */
};

/*
 * Open the stash of an image.  Blocks; reads the index.
 *
 * Returns 0, -EBUSY when another process uses it, -EFBIG when max_bytes leaves
 * no room for pages beside the index, or another -errno of its file or of the
 * directory (-EBUSY, -EMFILE and others): then the file keeps what it has.
 */
int stash_open(const struct stash_options *options, struct stash **ret);

/*
 * Fill what is here of @pieces of memory and take it out of them: what remains
 * must be fetched.  When that is too much for @pieces, their end is set back.
 * How many pages were here.
 */
uint64_t stash_take(struct stash *stash, struct pieces *pieces);

/*
 * The same of pieces of any @object, with or without a stash: whether there
 * were some, and none remains.
 */
bool stash_serve(struct stash *stash, uint32_t object, struct pieces *pieces);

/*
 * The first pages of @run, which the image has, that are all here or all not:
 * how many, and which in *@ret_here.  They may go or come meanwhile.  Does no
 * I/O.  In no stash, which is allowed, nothing is.
 */
uint64_t stash_look(struct stash *stash, struct prefetch_run run,
		    bool *ret_here);

/* Copy @run, which the image has, into @buf.  False unless all was here. */
bool stash_get(struct stash *stash, struct prefetch_run run, void *buf);

/* Keep those pages of @run that the image has and that are not here.  NULL is
 * allowed. */
void stash_put(struct stash *stash, struct prefetch_run run, const void *buf);

/* NULL is allowed: zeros. */
void stash_get_stats(struct stash *stash, struct stash_stats *ret_stats);

/* The image is no more: nothing of it stays behind after stash_close(). */
void stash_forget(struct stash *stash);

/* No call may be under way.  NULL is allowed. */
void stash_close(struct stash *stash);
