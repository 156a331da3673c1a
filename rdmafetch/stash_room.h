/* SPDX-License-Identifier: MIT */
/*
 * stash_room.h - what a stash has, and how much of it it may have
 *
 * The index in memory, the chunks, and the bound: when a page more does not
 * fit, the directory is asked for a larger part of its own bound, and then the
 * sieve says which chunk goes.
 *
 * A chunk that is read or written is held, and so not thrown out meanwhile; one
 * that is being thrown out is marked as leaving, and nothing is written into
 * it.  So all I/O is done without the lock.
 *
 * Locks: room.lock guards all but ranks and file; functions want it held, and
 * say when they let it go.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/ranks.h"
#include "rdmafetch/sieve.h"
#include "rdmafetch/stash_file.h"

struct stash_chunk {
	uint8_t nr_here;
	bool is_leaving;
	bool is_used; /* in this mount */
};

struct stash_room {
	pthread_mutex_t lock;
	struct ranks ranks;
	struct stash_file file;
	int dir_fd; /* borrowed; -1: in memory */
	struct sieve *sieve;
	struct stash_chunk *chunks;
	uint64_t *sums;	      /* by rank; 0: not here */
	uint64_t max_bytes;   /* to ask for, all in all */
	uint64_t fixed_bytes; /* head, index, and what is not accounted for */
	uint64_t used_pages, granted_pages, evicted_pages;
	pthread_cond_t grown; /* is_growing fell */
	bool is_growing, cannot_grow, cannot_write;
	uint64_t ask_again_ns; /* for more, not before: the last try failed */
};

/* Empty tables for @image, without a file.  0, -ENOMEM, or -EFBIG. */
int stash_room_init(struct stash_room *room, const struct image *image);

/* Note which chunks were used, for the next mount. */
void stash_room_save(const struct stash_room *room);

/* The file as well; half-built ones are allowed. */
void stash_room_done(struct stash_room *room);

/*
 * Take the file's pages over; what the last mount did not use is stale.  Before
 * any other thread; without the lock.  0 or -ENOMEM.
 */
int stash_room_load(struct stash_room *room);

/*
 * Get the first part of the bound, and keep what fits.  Lets the lock go.
 * Blocks, up to 2 s for the directory.  0, -EFBIG when that leaves no room
 * worth it, or -errno of asking for it (stash_dir_grow()): then all is as it was.
 */
int stash_room_settle(struct stash_room *room);

/* @nr pages from @rank on are being read or written; then not any more. */
void stash_room_hold(struct stash_room *room, uint64_t rank, unsigned nr);
void stash_room_release(struct stash_room *room, uint64_t rank, unsigned nr);

/* The page at @rank was wanted, and here. */
void stash_room_use(struct stash_room *room, uint64_t rank);

/* Whether the page at @rank is neither here nor to be written just now. */
bool stash_room_wants(const struct stash_room *room, uint64_t rank);

/* Reserve room for @nr pages.  Lets the lock go.  False when there is none. */
bool stash_room_reserve(struct stash_room *room, unsigned nr);

/* A page with a reservation came in; if it is here already, that is let go. */
void stash_room_enter(struct stash_room *room, uint64_t rank, uint64_t sum);

/* The page at @rank, which is here, is worth nothing. */
void stash_room_leave(struct stash_room *room, uint64_t rank);

/*
 * @nr pages with a reservation could not be written, by @err.  Without room on
 * the disk the stash grows no more; what else may be wrong will not pass.
 */
void stash_room_failed(struct stash_room *room, unsigned nr, int err);
