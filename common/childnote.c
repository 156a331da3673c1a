/* SPDX-License-Identifier: MIT */
/* childnote.c - see childnote.h */
#include "common/childnote.h"

#include <errno.h>

#include "common/page.h"

int childnote_get_load(const void *in, size_t len,
		       const struct childnote_load **ret)
{
	const struct childnote_load *load = in;

	if (len != sizeof(*load) || load->format != CHILDNOTE_FORMAT ||
	    load->nr_phases > CHILDNOTE_PHASES_MAX)
		return -EINVAL;
	*ret = load;
	return 0;
}

int childnote_get_pages(const void *in, size_t len,
			const struct childnote_pages **ret)
{
	const struct childnote_pages *pages = in;
	const uint64_t end = page_of(UINT64_MAX);

	if (len != sizeof(*pages) || pages->format != CHILDNOTE_FORMAT ||
	    pages->nr_runs > CHILDNOTE_RUNS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < pages->nr_runs; i++) {
		const struct childnote_run *run = &pages->runs[i];

		if (!run->nr_pages || run->first_page > end ||
		    run->nr_pages > end - run->first_page)
			return -EINVAL;
	}
	*ret = pages;
	return 0;
}
