/* SPDX-License-Identifier: MIT */
#include "rdmafetch/lot.h"

#include "common/page.h"
#include "common/source.h"

_Static_assert(LOT_PIECE_PAGES <= 64, "lot.taken has a bit for each page");

void lot_trim(struct prefetch_run *piece, struct prefetch_run *run,
	      uint64_t end)
{
	uint64_t most = LOT_PAGES - piece->first_page % LOT_PAGES;

	if (piece->nr_pages <= most)
		return;
	piece->nr_pages = most;
	run->first_page = piece->first_page + most;
	run->nr_pages = end - run->first_page;
}

bool lot_has_room(const struct lot *lot)
{
	return !lot->closed && lot->nr < LOT_PIECES &&
	       lot->nr_pages + LOT_PIECE_PAGES <= LOT_PAGES;
}

bool lot_wants_first(struct prefetch_run piece)
{
	return piece.first_page % LOT_PAGES == 0 &&
	       piece.nr_pages == LOT_PIECE_PAGES;
}

struct flight *lot_add(struct lot *lot, struct prefetch_run piece)
{
	struct flight *flight = &lot->pieces[lot->nr];

	lot->taken[lot->nr++] = 0;
	flight->object = SOURCE_MEMORY;
	flight->raddr = piece.first_page << PAGE_SHIFT;
	flight->len_bytes = (uint32_t)(piece.nr_pages << PAGE_SHIFT);
	flight->buf = lot->buf + ((size_t)lot->nr_pages << PAGE_SHIFT);
	flight->kept = true;
	flight->delivered = false;
	lot->nr_pages += (unsigned)piece.nr_pages;
	lot->closed = !lot_has_room(lot);
	return flight;
}

unsigned lot_flying_pages(const struct lot *lot)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < lot->nr; i++)
		if (!lot->pieces[i].delivered)
			nr += lot->pieces[i].len_bytes >> PAGE_SHIFT;
	return nr;
}

bool lot_ended(const struct lot *lot)
{
	return lot->closed && !lot->sinking && !lot_flying_pages(lot);
}

bool lot_take(struct lot *lot, const struct flight *flight,
	      struct prefetch_run run)
{
	size_t at = (uintptr_t)flight - (uintptr_t)lot->pieces;

	if (at >= lot->nr * sizeof(*flight))
		return false;
	lot->taken[at / sizeof(*flight)] |=
		UINT64_MAX >> (64 - run.nr_pages) << (run.first_page -
						      page_of(flight->raddr));
	return true;
}

struct prefetch_run lot_untaken(const struct flight *piece, uint64_t taken,
				uint64_t from)
{
	uint64_t end = page_of(piece->len_bytes);
	struct prefetch_run run = {0, 0};

	while (from < end && taken >> from & 1)
		from++;
	run.first_page = page_of(piece->raddr) + from;
	for (; from < end && !(taken >> from & 1); from++)
		run.nr_pages++;
	return run;
}

struct prefetch_run lot_run(const struct flight *piece)
{
	return (struct prefetch_run){page_of(piece->raddr),
				     page_of(piece->len_bytes)};
}

unsigned lot_neighbours(const struct lot *lot, unsigned first,
			const uint64_t *taken, struct prefetch_run *ret_run,
			const char **ret_buf)
{
	const struct flight *piece = &lot->pieces[first];
	uint64_t end = piece->raddr;
	unsigned i = first;

	for (; i < lot->nr; i++, piece++) {
		if (piece->result || piece->raddr != end || taken[i])
			break;
		end += piece->len_bytes;
	}
	*ret_buf = lot->pieces[first].buf;
	ret_run->first_page = page_of(lot->pieces[first].raddr);
	ret_run->nr_pages = page_of(end) - ret_run->first_page;
	return i - first;
}

void lot_clear(struct lot *lot)
{
	lot->nr = lot->nr_pages = 0;
	lot->closed = lot->sinking = false;
}
