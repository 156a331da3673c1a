/* SPDX-License-Identifier: MIT */
/*
 * stash.c - get and put: spans of pages between a buffer and the file
 */
#include "rdmafetch/stash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/page.h"
#include "common/source.h"
#include "rdmafetch/stash_dir.h"
#include "rdmafetch/stash_room.h"

#define SPAN_PAGES 64u /* that one look at the index is for */

struct stash {
	struct stash_room room;
	struct stash_stats stats; /* under room.lock */
	bool is_open;		  /* it may have been used */
	bool is_forgotten;
};

/* Pages with ranks one after the other, SPAN_PAGES at most. */
struct span {
	uint64_t rank;
	unsigned nr;
	char *buf;
	uint64_t sums[SPAN_PAGES];
};

/* From @i on, how many of @span's sums are 0, or not 0, as the first is. */
static unsigned alike(const struct span *span, unsigned i)
{
	unsigned nr = 1;

	while (i + nr < span->nr && !span->sums[i + nr] == !span->sums[i])
		nr++;
	return nr;
}

/* ---- get ---- */

static void lock(struct stash *stash)
{
	(void)pthread_mutex_lock(&stash->room.lock);
}

static void unlock(struct stash *stash)
{
	(void)pthread_mutex_unlock(&stash->room.lock);
}

static void look_up(struct stash *stash, struct span *span)
{
	struct stash_room *room = &stash->room;

	lock(stash);
	memcpy(span->sums, room->sums + span->rank,
	       span->nr * sizeof(*span->sums));
	stash_room_hold(room, span->rank, span->nr);
	unlock(stash);
}

/* What was found wrong is not here any more, unless it was put anew. */
static void forget_bad(struct stash *stash, const struct span *span,
		       const uint64_t *old)
{
	for (unsigned i = 0; i < span->nr; i++) {
		bool bad = old[i] && !span->sums[i];

		stash->stats.bad_pages += bad;
		if (bad && stash->room.sums[span->rank + i] == old[i])
			stash_room_leave(&stash->room, span->rank + i);
	}
}

/* Read what is here of @span into its buffer; sums of what is not are 0. */
static void read_span(struct stash *stash, struct span *span)
{
	uint64_t old[SPAN_PAGES];
	unsigned nr, nr_here = 0;

	look_up(stash, span);
	memcpy(old, span->sums, sizeof(old[0]) * span->nr);
	for (unsigned i = 0; i < span->nr; i += nr) {
		nr = alike(span, i);
		if (span->sums[i])
			nr_here += nr -
				   stash_file_read(&stash->room.file,
						   span->rank + i, nr,
						   span->sums + i,
						   span->buf + i * PAGE_BYTES);
	}
	lock(stash);
	stash_room_release(&stash->room, span->rank, span->nr);
	forget_bad(stash, span, old);
	for (unsigned i = 0; i < span->nr; i++)
		if (span->sums[i])
			stash_room_use(&stash->room, span->rank + i);
	stash->stats.hit_pages += nr_here;
	stash->stats.miss_pages += span->nr - nr_here;
	unlock(stash);
}

/* The span at the head of @run, of pages that the image has. */
static void span_of(const struct stash *stash, struct prefetch_run run,
		    void *buf, struct span *ret)
{
	const struct image_run *in =
		image_run_after(stash->room.ranks.image, run.first_page);

	ret->rank = ranks_in(&stash->room.ranks, in, run.first_page);
	ret->nr =
		run.nr_pages < SPAN_PAGES ? (unsigned)run.nr_pages : SPAN_PAGES;
	ret->buf = buf;
}

bool stash_get(struct stash *stash, struct prefetch_run run, void *buf)
{
	char *at = buf;
	struct span span;

	for (; run.nr_pages; at += span.nr * PAGE_BYTES) {
		span_of(stash, run, at, &span);
		read_span(stash, &span);
		for (unsigned i = 0; i < span.nr; i++)
			if (!span.sums[i])
				return false;
		run.first_page += span.nr;
		run.nr_pages -= span.nr;
	}
	return true;
}

uint64_t stash_look(struct stash *stash, struct prefetch_run run,
		    bool *ret_here)
{
	struct span span;
	uint64_t nr = 1;

	*ret_here = false;
	if (!stash || !run.nr_pages)
		return run.nr_pages;
	span_of(stash, run, NULL, &span);
	lock(stash);
	*ret_here = stash->room.sums[span.rank] != 0;
	while (nr < run.nr_pages &&
	       (stash->room.sums[span.rank + nr] != 0) == *ret_here)
		nr++;
	unlock(stash);
	return nr;
}

/* Add [@i, @i + @nr) of @span to what must be fetched: false when full. */
static bool add_piece(struct pieces *pieces, const struct piece *from,
		      const struct span *span, const unsigned range[2])
{
	uint64_t skip =
		(uint64_t)(span->buf - from->buf) + range[0] * PAGE_BYTES;
	struct piece *last = pieces->nr ? &pieces->at[pieces->nr - 1] : NULL;
	struct piece next = {from->raddr + skip, range[1] * PAGE_BYTES,
			     from->buf + skip};

	if (last && last->raddr + last->len_bytes == next.raddr) {
		last->len_bytes += next.len_bytes;
		return true;
	}
	if (pieces->nr == PIECES_MAX) {
		pieces->end = next.raddr;
		return false;
	}
	pieces->at[pieces->nr++] = next;
	return true;
}

static bool add_missing(struct pieces *pieces, const struct piece *from,
			const struct span *span)
{
	unsigned nr;

	for (unsigned i = 0; i < span->nr; i += nr) {
		const unsigned range[2] = {i, nr = alike(span, i)};

		if (!span->sums[i] && !add_piece(pieces, from, span, range))
			return false;
	}
	return true;
}

uint64_t stash_take(struct stash *stash, struct pieces *pieces)
{
	const struct pieces all = *pieces;
	uint64_t nr_here = 0;
	struct span span;

	pieces->nr = 0;
	for (unsigned i = 0; i < all.nr; i++) {
		const struct piece *from = &all.at[i];
		uint64_t done = 0;

		for (; done < from->len_bytes; done += span.nr * PAGE_BYTES) {
			const struct prefetch_run run = {
				page_of(from->raddr + done),
				page_of(from->len_bytes - done)};

			span_of(stash, run, from->buf + done, &span);
			read_span(stash, &span);
			for (unsigned k = 0; k < span.nr; k++)
				nr_here += span.sums[k] != 0;
			if (!add_missing(pieces, from, &span))
				return nr_here;
		}
	}
	return nr_here;
}

bool stash_serve(struct stash *stash, uint32_t object, struct pieces *pieces)
{
	return stash && object == SOURCE_MEMORY && pieces->nr &&
	       stash_take(stash, pieces) && !pieces->nr;
}

/* ---- put ---- */

/* Which of @span are to be written, as sums that are 0; and their number. */
static unsigned choose(struct stash *stash, struct span *span)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < span->nr; i++) {
		span->sums[i] = !stash_room_wants(&stash->room, span->rank + i);
		nr += !span->sums[i];
	}
	return nr;
}

/* Write [@i, @i + @nr) of @span, which is held and has its room. */
static void write_part(struct stash *stash, const struct span *span, unsigned i,
		       unsigned nr)
{
	uint64_t sums[SPAN_PAGES];
	int err = stash_file_write(&stash->room.file, span->rank + i, nr,
				   span->buf + i * PAGE_BYTES, sums);

	lock(stash);
	for (unsigned k = 0; k < nr && !err; k++)
		stash_room_enter(&stash->room, span->rank + i + k, sums[k]);
	if (err)
		stash_room_failed(&stash->room, nr, err);
	stash->stats.kept_pages += err ? 0 : nr;
	stash->stats.failed_pages += err ? nr : 0;
	unlock(stash);
}

/* Hold @span and reserve room for what is to be written of it. */
static bool begin_put(struct stash *stash, struct span *span)
{
	struct stash_room *room = &stash->room;
	unsigned nr;
	bool ok;

	lock(stash);
	nr = room->cannot_write ? 0 : choose(stash, span);
	ok = nr > 0;
	if (ok) {
		stash_room_hold(room, span->rank, span->nr);
		ok = stash_room_reserve(room, nr);
		if (!ok) {
			stash->stats.failed_pages += nr;
			stash_room_release(room, span->rank, span->nr);
		}
	}
	unlock(stash);
	return ok;
}

static void put_span(struct stash *stash, struct span *span)
{
	unsigned nr;

	if (!begin_put(stash, span))
		return;
	for (unsigned i = 0; i < span->nr; i += nr) {
		nr = alike(span, i);
		if (!span->sums[i])
			write_part(stash, span, i, nr);
	}
	lock(stash);
	stash_room_release(&stash->room, span->rank, span->nr);
	unlock(stash);
}

void stash_put(struct stash *stash, struct prefetch_run range, const void *buf)
{
	uint64_t at = range.first_page, end = at + range.nr_pages;
	const struct image_run *run;
	const struct image *image;

	if (!stash)
		return;
	image = stash->room.ranks.image;
	run = image_run_after(image, at);
	for (; run && run < image->runs + image->nr_runs; run++) {
		uint64_t to = run->first_page + run->nr_pages;
		struct span span;

		to = to < end ? to : end;
		for (at = run->first_page > at ? run->first_page : at; at < to;
		     at += span.nr) {
			const struct prefetch_run rest = {at, to - at};

			span_of(stash, rest,
				(char *)(uintptr_t)buf +
					((at - range.first_page) << PAGE_SHIFT),
				&span);
			put_span(stash, &span);
		}
		if (to == end)
			return;
	}
}

/* ---- life ---- */

void stash_get_stats(struct stash *stash, struct stash_stats *ret_stats)
{
	const struct stash_room *room;

	*ret_stats = (struct stash_stats){0};
	if (!stash)
		return;
	room = &stash->room;
	lock(stash);
	*ret_stats = stash->stats;
	ret_stats->evicted_pages = room->evicted_pages;
	ret_stats->used_bytes =
		room->fixed_bytes + (room->used_pages << PAGE_SHIFT);
	ret_stats->max_bytes = room->max_bytes;
	unlock(stash);
}

void stash_forget(struct stash *stash)
{
	lock(stash);
	stash->is_forgotten = true;
	unlock(stash);
}

void stash_close(struct stash *stash)
{
	struct stash_room *room;

	if (!stash)
		return;
	room = &stash->room;
	if (room->file.fd >= 0 && room->dir_fd >= 0) {
		if (stash->is_forgotten || room->file.head.is_transient)
			stash_dir_drop(room->dir_fd, &room->file.head);
		else if (stash->is_open)
			stash_room_save(room);
		(void)futimens(room->file.fd, NULL); /* used until now */
	}
	stash_room_done(room);
	free(stash);
}

static void stash_closep(struct stash **stash)
{
	stash_close(*stash);
}

static int open_file(struct stash_room *room)
{
	int err;

	if (room->dir_fd < 0)
		return stash_file_memory(&room->file);
	err = stash_dir_claim(room->dir_fd, &room->file.head, &room->file.fd);
	if (err)
		return err;
	(void)futimens(room->file.fd, NULL);
	err = stash_file_begin(&room->file);
	return err ? err : stash_file_reserve(&room->file);
}

static void describe(struct stash_room *room,
		     const struct stash_options *options)
{
	struct stash_head *head = &room->file.head;

	room->dir_fd = options->dir_fd;
	room->max_bytes = options->max_bytes;
	stash_head_of(options->desc, options->desc_bytes, room->ranks.nr_pages,
		      head);
	head->captured_ns = options->image->captured_realtime_ns;
	head->is_transient = options->is_transient;
}

int stash_open(const struct stash_options *options, struct stash **ret)
{
	CLEANUP(stash_closep)
	struct stash *stash = calloc(1, sizeof(*stash));
	int err;

	if (!stash)
		return -ENOMEM;
	err = stash_room_init(&stash->room, options->image);
	if (err)
		return err;
	describe(&stash->room, options);
	err = open_file(&stash->room);
	if (err)
		return err;
	err = stash_room_load(&stash->room);
	if (err)
		return err;
	lock(stash);
	err = stash_room_settle(&stash->room);
	unlock(stash);
	if (err)
		return err;
	stash->is_open = true;
	*ret = steal_ptr(&stash);
	return 0;
}
