/* SPDX-License-Identifier: MIT */
#include "rdmafetch/pieces.h"

#include <string.h>

#include "common/page.h"
#include "common/source.h"

bool pieces_legal(const struct image *image, uint32_t object, uint64_t raddr,
		  size_t len_bytes)
{
	if (object >= SOURCE_MAPPED + image->nr_mapped ||
	    raddr + len_bytes < raddr)
		return false;
	return object != SOURCE_MEMORY ||
	       (raddr % PAGE_BYTES == 0 && len_bytes % PAGE_BYTES == 0);
}

/*
 * The first run of bytes of @range that must be fetched: from ret[0] to ret[1],
 * both the end when there is none.
 */
static void next_present(const struct image *image, uint32_t object,
			 const uint64_t range[2], uint64_t ret[2])
{
	const struct image_run *run;
	uint64_t from = range[0], to = range[1];

	if (object == SOURCE_EXE) {
		to = image->exe_bytes;
	} else if (source_is_file(object)) {
		to = image->mapped[object - SOURCE_MAPPED].size_bytes;
	} else {
		run = image_run_after(image, page_of(from));
		if (run && from < run->first_page << PAGE_SHIFT)
			from = run->first_page << PAGE_SHIFT;
		to = run ? (run->first_page + run->nr_pages) << PAGE_SHIFT : 0;
	}
	ret[1] = to < range[1] ? to : range[1];
	ret[0] = from;
	if (from >= ret[1])
		ret[0] = ret[1] = range[1];
}

void pieces_find(const struct image *image, uint32_t object,
		 const struct piece *range, struct pieces *ret)
{
	uint64_t at[2] = {range->raddr, range->raddr + range->len_bytes};
	uint64_t found[2];

	ret->nr = 0;
	while (at[0] < at[1] && ret->nr < PIECES_MAX) {
		struct piece *piece = &ret->at[ret->nr];

		next_present(image, object, at, found);
		memset(range->buf + (at[0] - range->raddr), 0,
		       found[0] - at[0]);
		piece->raddr = found[0];
		piece->len_bytes = found[1] - found[0];
		piece->buf = range->buf + (found[0] - range->raddr);
		ret->nr += piece->len_bytes > 0;
		at[0] = found[1];
	}
	ret->end = at[0];
}
