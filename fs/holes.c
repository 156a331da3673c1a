/* SPDX-License-Identifier: MIT */
#include "fs/holes.h"

#include "common/page.h"

uint64_t holes_next_data(const struct image *image, uint64_t raddr)
{
	const struct image_run *run = image_run_after(image, page_of(raddr));

	if (!run)
		return UINT64_MAX;
	if (run->first_page > page_of(raddr))
		return run->first_page << PAGE_SHIFT;
	return raddr;
}

uint64_t holes_next_hole(const struct image *image, uint64_t raddr)
{
	const struct image_run *run = image_run_after(image, page_of(raddr));

	if (!run || run->first_page > page_of(raddr))
		return raddr;
	return (run->first_page + run->nr_pages) << PAGE_SHIFT;
}
