/* SPDX-License-Identifier: MIT */
#include "rdmafetch/rows.h"

#include <stdbool.h>
#include <stdlib.h>

#define STEP_MIN_PAGES 64 /* less is one stream, or noise */
#define STEP_MAX_PAGES 4096

/* A fault brings up to so many pages before its own, or fewer. */
#define NEARLY_PAGES 16

static bool has_begun_near(const struct rows *rows, uint64_t page)
{
	for (unsigned i = 0; i < ROWS_KEPT; i++)
		if (rows->begins[i] &&
		    llabs((int64_t)(rows->begins[i] - page)) <= NEARLY_PAGES)
			return true;
	return false;
}

static bool is_step(int64_t pages)
{
	return llabs(pages) >= STEP_MIN_PAGES && llabs(pages) <= STEP_MAX_PAGES;
}

void rows_note(struct rows *rows, uint64_t page)
{
	rows->begins[rows->next] = page;
	rows->next = (rows->next + 1) % ROWS_KEPT;
}

/* The latest that has another as far before it as @page is behind it. */
int64_t rows_step(const struct rows *rows, uint64_t page)
{
	for (unsigned i = 1; i <= ROWS_KEPT; i++) {
		uint64_t last =
			rows->begins[(rows->next + ROWS_KEPT - i) % ROWS_KEPT];
		int64_t step = (int64_t)(page - last);

		if (last && is_step(step) &&
		    has_begun_near(rows, last - (uint64_t)step))
			return step;
	}
	return 0;
}
