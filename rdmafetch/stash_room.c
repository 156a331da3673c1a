/* SPDX-License-Identifier: MIT */
#include "rdmafetch/stash_room.h"

#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "rdmafetch/stash_dir.h"

#define GROW_PART 16u /* of the bound, in one step */
#define GROW_MIN  (1ull << 20)

/* Who asks in vain may have waited 2 s for the directory. */
#define ASK_AGAIN_NS 4000000000ull

static uint32_t chunk_of(uint64_t rank)
{
	return (uint32_t)(rank / STASH_CHUNK_PAGES);
}

/* ---- who is at it ---- */

void stash_room_hold(struct stash_room *room, uint64_t rank, unsigned nr)
{
	for (uint32_t at = chunk_of(rank); at <= chunk_of(rank + nr - 1); at++)
		sieve_hold(room->sieve, at);
}

void stash_room_release(struct stash_room *room, uint64_t rank, unsigned nr)
{
	for (uint32_t at = chunk_of(rank); at <= chunk_of(rank + nr - 1); at++)
		sieve_release(room->sieve, at);
}

void stash_room_use(struct stash_room *room, uint64_t rank)
{
	sieve_use(room->sieve, chunk_of(rank));
	room->chunks[chunk_of(rank)].is_used = true;
}

/* ---- the index ---- */

bool stash_room_wants(const struct stash_room *room, uint64_t rank)
{
	return !room->sums[rank] && !room->chunks[chunk_of(rank)].is_leaving;
}

static void enter(struct stash_room *room, uint64_t rank, uint64_t sum)
{
	uint32_t chunk = chunk_of(rank);

	room->sums[rank] = sum;
	room->chunks[chunk].nr_here++;
	room->chunks[chunk].is_used = true;
	if (!sieve_has(room->sieve, chunk))
		sieve_enter(room->sieve, chunk);
}

void stash_room_enter(struct stash_room *room, uint64_t rank, uint64_t sum)
{
	if (room->sums[rank])
		room->used_pages--;
	else
		enter(room, rank, sum);
}

/* A chunk without pages stays in the sieve: it may take some of the disk. */
void stash_room_leave(struct stash_room *room, uint64_t rank)
{
	room->sums[rank] = 0;
	room->chunks[chunk_of(rank)].nr_here--;
	room->used_pages--;
}

/* ---- room ---- */

static uint64_t pages_in(const struct stash_room *room, uint64_t bytes)
{
	return bytes > room->fixed_bytes ? page_of(bytes - room->fixed_bytes)
					 : 0;
}

/* Throw out one chunk.  Lets the lock go.  False when there is none. */
static bool evict(struct stash_room *room)
{
	struct stash_chunk *chunk;
	unsigned nr_here;
	uint64_t rank;
	uint32_t at;

	if (!room->file.can_drop || !sieve_evict(room->sieve, &at))
		return false;
	chunk = &room->chunks[at];
	nr_here = chunk->nr_here;
	chunk->nr_here = 0;
	chunk->is_leaving = true;
	rank = (uint64_t)at * STASH_CHUNK_PAGES;
	for (unsigned i = 0; i < STASH_CHUNK_PAGES; i++)
		if (rank + i < room->ranks.nr_pages)
			room->sums[rank + i] = 0;
	room->evicted_pages += nr_here;
	(void)pthread_mutex_unlock(&room->lock);
	stash_file_drop(&room->file, at);
	(void)pthread_mutex_lock(&room->lock);
	chunk->is_leaving = false;
	room->used_pages -= nr_here;
	return true;
}

/* One more step, or with what is here already the first one. */
static uint64_t next_want(const struct stash_room *room)
{
	uint64_t step = room->max_bytes / GROW_PART, want;

	step = step > GROW_MIN ? step : GROW_MIN;
	want = room->fixed_bytes + (room->used_pages << PAGE_SHIFT) + step;
	return want < room->max_bytes ? want : room->max_bytes;
}

/*
 * Ask the directory for more, a step at a time, as images that nobody uses must
 * go for it.  Lets the lock go.  An error says nothing of what there is to
 * have: 0 or -errno.
 */
static int ask(struct stash_room *room)
{
	struct stash_head head = room->file.head;
	uint64_t had = room->granted_pages, want = next_want(room);
	int err;

	room->is_growing = true;
	(void)pthread_mutex_unlock(&room->lock);
	err = stash_dir_grow(room->dir_fd, room->file.fd, &head, want,
			     room->max_bytes);
	(void)pthread_mutex_lock(&room->lock);
	room->is_growing = false;
	(void)pthread_cond_broadcast(&room->grown);
	if (err) {
		room->ask_again_ns = io_monotonic_ns() + ASK_AGAIN_NS;
		return err;
	}
	if (!room->cannot_grow)
		room->granted_pages = pages_in(room, head.granted_bytes);
	room->file.head.granted_bytes = head.granted_bytes;
	room->cannot_grow |= room->granted_pages <= had;
	return 0;
}

/* One thread asks, and the others look again when it has.  Lets the lock go. */
static bool grow(struct stash_room *room)
{
	if (room->is_growing) {
		(void)pthread_cond_wait(&room->grown, &room->lock);
		return true;
	}
	if (room->cannot_grow || io_monotonic_ns() < room->ask_again_ns)
		return false;
	return !ask(room) && !room->cannot_grow;
}

bool stash_room_reserve(struct stash_room *room, unsigned nr)
{
	while (room->used_pages + nr > room->granted_pages)
		if (!grow(room) && !evict(room))
			return false;
	room->used_pages += nr;
	return true;
}

void stash_room_failed(struct stash_room *room, unsigned nr, int err)
{
	uint64_t tried = room->used_pages;

	room->used_pages -= nr;
	if (err != -ENOSPC && err != -EDQUOT) {
		room->cannot_write = true;
		return;
	}
	/*
	 * A little less than what did not fit: what had to go for it has left
	 * its room, and only what others take of the disk is missing.
	 */
	room->cannot_grow = true;
	tried -= tried < STASH_CHUNK_PAGES ? tried : STASH_CHUNK_PAGES;
	if (room->granted_pages > tried)
		room->granted_pages = tried;
}

/* ---- life ---- */

/* Count what is there, and put it into the sieve: the stale ones first. */
static void enter_all(struct stash_room *room, const uint8_t *used)
{
	uint64_t nr_pages = room->ranks.nr_pages;

	for (uint64_t rank = 0; rank < nr_pages; rank++) {
		uint32_t chunk = chunk_of(rank);

		if (!room->sums[rank])
			continue;
		room->used_pages++;
		if (room->chunks[chunk].nr_here++ == 0 &&
		    !(used[chunk / 8] >> chunk % 8 & 1))
			sieve_enter_stale(room->sieve, chunk);
	}
	for (uint32_t chunk = 0; (uint64_t)chunk * STASH_CHUNK_PAGES < nr_pages;
	     chunk++)
		if (room->chunks[chunk].nr_here &&
		    !sieve_has(room->sieve, chunk))
			sieve_enter(room->sieve, chunk);
}

int stash_room_load(struct stash_room *room)
{
	uint64_t fixed = stash_empty_bytes(room->ranks.nr_pages), here, takes;
	CLEANUP_FREE uint8_t *used =
		malloc(stash_used_bytes(room->ranks.nr_pages) + 1);

	if (!used)
		return -ENOMEM;
	stash_file_load(&room->file, room->sums);
	stash_file_load_used(&room->file, used);
	stash_file_tidy(&room->file, room->sums);
	enter_all(room, used);
	here = room->used_pages << PAGE_SHIFT;
	takes = stash_file_bytes(&room->file);
	room->fixed_bytes = takes > fixed + here ? takes - here : fixed;
	return 0;
}

void stash_room_save(const struct stash_room *room)
{
	uint64_t nr_pages = room->ranks.nr_pages;
	CLEANUP_FREE uint8_t *used = calloc(1, stash_used_bytes(nr_pages) + 1);

	if (!used)
		return;
	for (uint32_t chunk = 0; (uint64_t)chunk * STASH_CHUNK_PAGES < nr_pages;
	     chunk++)
		if (room->chunks[chunk].is_used)
			used[chunk / 8] |= (uint8_t)(1u << chunk % 8);
	stash_file_save_used(&room->file, used);
}

int stash_room_settle(struct stash_room *room)
{
	int err = 0;

	if (room->dir_fd < 0) {
		room->granted_pages = pages_in(room, room->max_bytes);
		room->cannot_grow = true;
	} else {
		err = ask(room);
	}
	if (err)
		return err;
	while (room->used_pages > room->granted_pages && evict(room))
		;
	return room->granted_pages < STASH_CHUNK_PAGES ? -EFBIG : 0;
}

int stash_room_init(struct stash_room *room, const struct image *image)
{
	uint64_t nr_pages;
	uint32_t nr_chunks;
	int err;

	*room = (struct stash_room){.dir_fd = -1, .file.fd = -1};
	(void)pthread_mutex_init(&room->lock, NULL);
	(void)pthread_cond_init(&room->grown, NULL);
	err = ranks_init(&room->ranks, image);
	if (err)
		return err;
	nr_pages = room->ranks.nr_pages;
	if (nr_pages > STASH_PAGES_MAX)
		return -EFBIG;
	nr_chunks = chunk_of(nr_pages + STASH_CHUNK_PAGES - 1);
	room->sums = calloc(nr_pages + 1, sizeof(*room->sums));
	room->chunks = calloc(nr_chunks + 1ul, sizeof(*room->chunks));
	if (!room->sums || !room->chunks)
		return -ENOMEM;
	return sieve_new(nr_chunks, &room->sieve);
}

void stash_room_done(struct stash_room *room)
{
	stash_file_close(&room->file);
	sieve_free(room->sieve);
	free(room->chunks);
	free(room->sums);
	ranks_done(&room->ranks);
	(void)pthread_cond_destroy(&room->grown);
	(void)pthread_mutex_destroy(&room->lock);
}
