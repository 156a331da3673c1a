/* SPDX-License-Identifier: MIT */
/*
 * prefetch.h - what to bring before it is asked for: pure policies
 *
 * A policy sees which pages were demanded and says which run to fetch next.  It
 * does no I/O, takes no lock and reads no clock; fetch.c calls it under its own
 * lock and does the work.
 */
#pragma once

#include <stdint.h>

#define PREFETCH_PAGES_MAX 256u /* of one suggestion: TRANSPORT_READ_MAX */

struct prefetch_run {
	uint64_t first_page, nr_pages;
};

/* State of one stream of faults; zeroed by the caller before first use. */
struct prefetch_state {
	uint64_t next_page;  /* where the stream would go on */
	uint64_t ahead_page; /* first page not yet suggested */
	uint32_t window_pages;
};

struct prefetch_policy {
	const char *name;
	/*
	 * A demand read of @demand happened.  Returns the run to prefetch, with
	 * nr_pages 0 for none, at most @max_pages long.  The run may contain
	 * holes: the caller clips it to what is present.
	 */
	struct prefetch_run (*next)(struct prefetch_state *state,
				    struct prefetch_run demand,
				    uint32_t max_pages);
};

extern const struct prefetch_policy prefetch_off;
/* Doubles its window while faults run forward, falls back when they jump. */
extern const struct prefetch_policy prefetch_seq;
/* Always the pages right behind the fault. */
extern const struct prefetch_policy prefetch_next;

/* Their names, for messages. */
#define PREFETCH_NAMES "off, next or seq"

/* The policy called @name, or NULL. */
const struct prefetch_policy *prefetch_find(const char *name);
