/* SPDX-License-Identifier: MIT */
/*
 * pager_bits.h - a set of page numbers, cheap to hold sparse and to copy
 *
 * One bit a page, in chunks of 128 MiB of memory that exist only where a bit is
 * set and are shared between copies until one of them changes (a child that
 * forks has the same missing pages as its parent, until either touches them).
 *
 * Above: pager_space.  One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pager_bits;

/* An empty set of the pages [0, @nr_pages), or NULL without memory. */
struct pager_bits *pager_bits_new(uint64_t nr_pages);

/* A copy that shares what it can, or NULL without memory. */
struct pager_bits *pager_bits_copy(const struct pager_bits *bits);

void pager_bits_free(struct pager_bits *bits);

/* Add or take out [@first, @end), clipped to the set.  0 or -ENOMEM, and then
 * a part is done. */
int pager_bits_set(struct pager_bits *bits, uint64_t first, uint64_t end);
int pager_bits_clear(struct pager_bits *bits, uint64_t first, uint64_t end);

bool pager_bits_has(const struct pager_bits *bits, uint64_t page);

/* The first member at or after @page, or UINT64_MAX. */
uint64_t pager_bits_next(const struct pager_bits *bits, uint64_t page);

/* How many members there are. */
uint64_t pager_bits_count(const struct pager_bits *bits);
