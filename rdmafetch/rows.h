/* SPDX-License-Identifier: MIT */
/*
 * rows.h - streams that begin as far from each other each time: pure
 *
 *     [row ...]   [row ...]   [row ...]   ^ the next
 *     ^ begins    ^ + step    ^ + step
 *
 * A list of buffers that are as long as each other, or a part of each line of a
 * matrix: a policy follows the faults inside of a row, and what comes behind it
 * is known by the rows before.  Buffers that were mapped one after the other
 * lie downwards in memory.
 */
#pragma once

#include <stdint.h>

#define ROWS_KEPT 8u /* beginnings: between two rows may be other faults */

/* Zeroed before first use. */
struct rows {
	uint64_t begins[ROWS_KEPT]; /* pages, a ring; 0: none */
	unsigned next;
};

/* What began at @page goes on: it may be a row. */
void rows_note(struct rows *rows, uint64_t page);

/*
 * Something begins at @page.  Where it is a row as those noted, how many pages
 * behind it, or before where that is negative, the next one will begin; else 0.
 */
int64_t rows_step(const struct rows *rows, uint64_t page);
