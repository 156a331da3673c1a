/* SPDX-License-Identifier: MIT */
#include "parent/runlist.h"

#include <errno.h>
#include <stdlib.h>

static int grow(struct runlist *list)
{
	uint32_t cap = list->cap ? list->cap * 2 : 256;
	struct image_run *runs;

	if (list->nr == IMAGE_RUNS_MAX)
		return -E2BIG;
	runs = realloc(list->runs, cap * sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	list->runs = runs;
	list->cap = cap;
	return 0;
}

int runlist_add(struct runlist *list, uint64_t first_page, uint64_t nr_pages)
{
	struct image_run *last = list->nr ? &list->runs[list->nr - 1] : NULL;
	int rc;

	if (!nr_pages)
		return 0;
	if (last && last->first_page + last->nr_pages == first_page) {
		last->nr_pages += nr_pages;
		return 0;
	}
	if (list->nr == list->cap) {
		rc = grow(list);
		if (rc)
			return rc;
	}
	list->runs[list->nr++] = (struct image_run){first_page, nr_pages};
	return 0;
}

uint64_t runlist_pages(const struct runlist *list)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < list->nr; i++)
		pages += list->runs[i].nr_pages;
	return pages;
}

void runlist_free(struct runlist *list)
{
	free(list->runs);
	*list = (struct runlist){0};
}
