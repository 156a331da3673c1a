/* SPDX-License-Identifier: MIT */
#include "rdmafetch/wanted.h"

#include "common/page.h"
#include "common/source.h"

/* Shorten *@piece to what is before the first read under way in it.  Returns
 * the page from which to look on. */
static uint64_t cut_at_flight(const struct inflight *table,
			      struct prefetch_run *piece)
{
	uint64_t end = piece->first_page + piece->nr_pages, from;
	const struct flight *flight = inflight_after(
		table, SOURCE_MEMORY, piece->first_page << PAGE_SHIFT);

	if (!flight || page_of(flight->raddr) >= end)
		return end;
	from = page_of(flight->raddr);
	piece->nr_pages =
		from > piece->first_page ? from - piece->first_page : 0;
	return page_of(flight->raddr + flight->len_bytes);
}

struct prefetch_run wanted_cut(const struct inflight *table,
			       const struct pageset *here,
			       struct prefetch_run *run, uint64_t max_pages)
{
	uint64_t end = run->first_page + run->nr_pages, from;
	struct prefetch_run piece;

	do {
		piece = pageset_missing(here, *run, max_pages);
		from = piece.nr_pages ? cut_at_flight(table, &piece) : end;
		run->nr_pages = from < end ? end - from : 0;
		run->first_page = from;
	} while (!piece.nr_pages && run->nr_pages);
	return piece;
}

void wanted_stashed(struct stash *stash, struct prefetch_run *piece,
		    struct prefetch_run *run, uint64_t end, bool *ret_stashed)
{
	uint64_t nr_pages = stash_look(stash, *piece, ret_stashed);

	if (nr_pages == piece->nr_pages)
		return;
	piece->nr_pages = nr_pages;
	run->first_page = piece->first_page + nr_pages;
	run->nr_pages = end - run->first_page;
}
