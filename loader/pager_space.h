/* SPDX-License-Identifier: MIT */
/*
 * pager_space.h - what each page of one address space must come from
 *
 *     now      [ A      ]   [A'][ B ]      segments: where it lies now ...
 *                 \          |     \
 *     image    [  A      A'  ][  B   ]     ... and where it was in the image
 *                1011  000     1111        bits: still to be read from there
 *
 * A page whose bit is clear, and every page in no segment, reads as zeros: it
 * was a hole, or it was there once and has been dropped since.
 *
 * Above: pager.  Below: pager_bits.  One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loader/pager.h"

struct pager_space;

/* Pages of one kind around an address, and where they come from. */
struct pager_range {
	uint64_t start, end; /* now */
	bool from_image;     /* else zeros */
	bool is_known;	     /* it lies in a segment, of @area */
	unsigned area;
	uint64_t raddr; /* of @start, when @is_known */
};

/* The areas as the image had them; @options must outlive it.  0, -ENOMEM, or
 * -EINVAL for areas that are empty, unaligned, overlapping or out of order. */
int pager_space_new(const struct pager_options *options,
		    struct pager_space **ret);

/* What a forked child has: the same, apart from now on.  NULL: no memory. */
struct pager_space *pager_space_copy(const struct pager_space *space);

void pager_space_free(struct pager_space *space);

/*
 * The pages around @addr that can be served as it is: of the image, within an
 * aligned batch of the options; of zeros, from @addr to the batch's end.
 */
void pager_space_look(const struct pager_space *space, uint64_t addr,
		      struct pager_range *ret_range);

/* From now on [@start, @end) reads as zeros when it is missing: it was served,
 * or dropped.  0 or -ENOMEM. */
int pager_space_drop(struct pager_space *space, uint64_t start, uint64_t end);

/* [@start, @end) is not mapped any more.  0 or -ENOMEM. */
int pager_space_unmap(struct pager_space *space, uint64_t start, uint64_t end);

/* [@from, @from + @len_bytes) has moved to @to.  0 or -ENOMEM. */
int pager_space_move(struct pager_space *space, uint64_t from, uint64_t to,
		     uint64_t len_bytes);

/* How many pages of @area are still to be read. */
uint64_t pager_space_left(const struct pager_space *space, unsigned area);

/*
 * Where the pages of @area lie now, one segment a call: *@at is 0 at first.
 * False when there is no more.
 */
bool pager_space_segment(const struct pager_space *space, unsigned area,
			 unsigned *at, uint64_t *ret_start, uint64_t *ret_end);

/* Forget the segments of @area. */
void pager_space_forget(struct pager_space *space, unsigned area);

/* An address whose page is still to be read, or 0: the next one after the last
 * that this gave. */
uint64_t pager_space_next(struct pager_space *space);
