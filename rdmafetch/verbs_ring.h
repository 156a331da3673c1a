/* SPDX-License-Identifier: MIT */
/*
 * verbs_ring.h - the book of a send queue that tells little
 *
 * A work request gets the next sequence number as its wr_id.  Few are signalled;
 * a reliable connection keeps order, so the completion of number n says that
 * all before it are done as well.  An error is told for the request it hit,
 * signalled or not: all before that one went well.
 *
 *     posted      3r  4r  5s  6R  7r  8R       R: signalled
 *     completion of 6: entries 3, 4, 5 and 6 come out
 *     error at 7:      nothing before it; 7 is the guilty one
 *
 * Above: verbs_post.c puts in, verbs_done.c takes out.  Pure: no locks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What a work request was for. */
enum verbs_kind {
	VERBS_SEND,  /* a message: nothing ends with it */
	VERBS_PIECE, /* a READ of a part of a read */
	VERBS_LAST,  /* the READ that ends a read */
	VERBS_FAR,   /* the READ that fetches a reply's body, and ends it */
};

struct verbs_entry {
	enum verbs_kind kind;
	uint16_t slot;
	uint32_t len_bytes; /* of the piece, for what may be refused */
	uint64_t raddr;
};

struct verbs_ring {
	struct verbs_entry *entries; /* owned */
	unsigned size;
	uint64_t next, oldest; /* sequence numbers: to give, not done yet */
	uint64_t told;	       /* the number after the last signalled one */
};

/* Room for @size requests, numbered from @first.  0 or -ENOMEM. */
int verbs_ring_init(struct verbs_ring *ring, unsigned size, uint64_t first);
void verbs_ring_done(struct verbs_ring *ring);

/* How many more may be posted. */
unsigned verbs_ring_room(const struct verbs_ring *ring);

/* Enter one, for which there is room; returns its number. */
uint64_t verbs_ring_push(struct verbs_ring *ring,
			 const struct verbs_entry *entry);

/*
 * Whether the request with number @seq, pushed last, must be signalled lest the
 * queue fill up with none that is.
 */
bool verbs_ring_must_signal(const struct verbs_ring *ring, uint64_t seq);

/* The request with number @seq is signalled. */
void verbs_ring_signalled(struct verbs_ring *ring, uint64_t seq);

/*
 * Take out the oldest entry with a number up to @seq.  False: there is none,
 * also when @seq was never given.
 */
bool verbs_ring_pop(struct verbs_ring *ring, uint64_t seq,
		    struct verbs_entry *ret);
