/* SPDX-License-Identifier: MIT */
/*
 * prefetch.h - what to bring before it is asked for: pure policies
 *
 * A policy sees which pages were demanded and says which to fetch next.  It
 * does no I/O, takes no lock and reads no clock; ahead.c calls it under its
 * lock and does the work.
 *
 * It is fed with the faults alone, and knows by them what was used of what it
 * said: a page that came ahead is used without a sound, so a stream that shows
 * up behind such pages has used them (prefetch_passed()).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/image.h"

#define PREFETCH_PAGES_MAX  512u /* of one suggestion */
#define PREFETCH_RUNS_MAX   16u	 /* of one suggestion */
#define PREFETCH_DELTAS_MAX 16u	 /* jumps that a trend is looked for in */

struct prefetch_run {
	uint64_t first_page, nr_pages;
};

struct prefetch_plan {
	unsigned nr;
	struct prefetch_run runs[PREFETCH_RUNS_MAX];
};

/* State of one stream of faults; zeroed by the caller before first use. */
struct prefetch_state {
	struct prefetch_run last; /* demand; set by the caller afterwards */
	uint64_t next_page;	  /* where the stream would go on */
	uint64_t ahead_page;	  /* first page not yet suggested */
	uint32_t window_pages;
	/* Set by the caller: see prefetch_luck_is_bad(), prefetch_is_near(). */
	bool is_doubtful, is_near;
	bool is_reader; /* the same: no faults, and there may be very many */
	uint64_t begin_page; /* the same; 0 behind the second demand */
	int64_t row_step;    /* the same: see rows_step() */
	uint32_t nr_faults;  /* of auto: in a row */
	/* of stride */
	int64_t deltas[PREFETCH_DELTAS_MAX]; /* a ring, pages */
	uint32_t nr_deltas;
	int64_t trend;
	uint32_t window_steps, ahead_steps; /* wanted, and suggested, ahead */
};

struct prefetch_policy {
	const char *name;
	/* Whether a demand of @page belongs to the stream of @state. */
	bool (*goes_on)(const struct prefetch_state *state, uint64_t page);
	/*
	 * A demand read of @demand happened.  Fills @plan with what to
	 * prefetch, most urgent first, at most @max_pages in all.  Runs may
	 * contain holes: the caller clips them to what is present.
	 */
	void (*next)(struct prefetch_state *state, struct prefetch_run demand,
		     uint32_t max_pages, struct prefetch_plan *plan);
};

extern const struct prefetch_policy prefetch_off;
/* Doubles its window while faults run forward, falls back when they jump. */
extern const struct prefetch_policy prefetch_seq;
/* Always the pages right behind the fault. */
extern const struct prefetch_policy prefetch_next;
/*
 * The default: behind faults that run forward, from a near far end many in a
 * row, twice as many pages each time, and never few enough for the far end to
 * be idle; where that is far away, behind each first fault, too.  Less eager
 * where most of what was foreseen was in vain.
 */
extern const struct prefetch_policy prefetch_auto;
/*
 * Looks for the jump that most of the last faults made, forward or back, and
 * follows it; a few that jump elsewhere do no harm.  (Leap, ATC'20.)
 */
extern const struct prefetch_policy prefetch_stride;

/* Their names, for messages. */
#define PREFETCH_NAMES "auto, off, next, seq or stride"

/* The policy called @name, or NULL. */
const struct prefetch_policy *prefetch_find(const char *name);

/*
 * The policy for an area of @vma_flags (enum image_vma_flag) where @policy is
 * for all: what the parent has told the kernel by madvise(2) goes first.
 */
const struct prefetch_policy *prefetch_for(const struct prefetch_policy *policy,
					   uint32_t vma_flags);

/*
 * How much of what was foreseen lately was asked for, over all streams.  Zeroed
 * before first use; old news fade.
 */
struct prefetch_luck {
	uint32_t used_pages, dropped_pages;
};

void prefetch_luck_used(struct prefetch_luck *luck, uint64_t nr_pages);
void prefetch_luck_dropped(struct prefetch_luck *luck, uint64_t nr_pages);

/* Whether three of four pages were foreseen in vain. */
bool prefetch_luck_is_bad(const struct prefetch_luck *luck);

/*
 * Whether the far end is so near that its latency is worth few pages, when the
 * fastest read took @least_ns; 0: not known, and taken for that.
 */
bool prefetch_is_near(uint64_t least_ns);

/*
 * Whether two calls took as long as each other: then neither found something
 * asleep, which takes longer by far and never twice the same.
 */
bool prefetch_are_alike(uint64_t one_ns, uint64_t other_ns);

/*
 * How many pages, of @max_pages at most, are worth having on their way when the
 * fastest read took @least_ns; 0: not known.
 */
uint32_t prefetch_reach(uint64_t least_ns, uint32_t max_pages);

/*
 * The pages between the last demand of a stream that goes on and @demand: those
 * of them that came ahead were used.  nr_pages 0 for none.
 */
struct prefetch_run prefetch_passed(const struct prefetch_state *state,
				    struct prefetch_run demand);
