/* SPDX-License-Identifier: MIT */
/* fuzz_childnote.c - any bytes as a loader's note */
#include <stdlib.h>

#include "common/childnote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct childnote_pages *pages;
	const struct childnote_load *load;

	if (!childnote_get_load(data, size, &load) &&
	    load->nr_phases > CHILDNOTE_PHASES_MAX)
		abort();
	if (!childnote_get_pages(data, size, &pages))
		for (uint32_t i = 0; i < pages->nr_runs; i++)
			if (pages->runs[i].first_page +
				    pages->runs[i].nr_pages <=
			    pages->runs[i].first_page)
				abort();
	return 0;
}
