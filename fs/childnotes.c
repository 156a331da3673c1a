/* SPDX-License-Identifier: MIT */
#include "fs/childnotes.h"

#include <errno.h>

void childnotes_init(struct childnotes *notes)
{
	*notes = (struct childnotes){.nr_loads = 0};
	(void)pthread_mutex_init(&notes->lock, NULL);
}

static int take_load(struct childnotes *notes, const void *in, size_t len)
{
	const struct childnote_load *load;
	int r = childnote_get_load(in, len, &load);

	if (r)
		return r;
	(void)pthread_mutex_lock(&notes->lock);
	notes->nr_loads++;
	notes->last = *load;
	(void)pthread_mutex_unlock(&notes->lock);
	return 0;
}

static int take_pages(struct fetch *fetch, const void *in, size_t len)
{
	const struct childnote_pages *pages;
	int r = childnote_get_pages(in, len, &pages);

	for (uint32_t i = 0; !r && i < pages->nr_runs; i++) {
		const struct childnote_run *run = &pages->runs[i];

		fetch_note_seen(fetch, run->first_page, run->nr_pages);
	}
	return r;
}

int childnotes_take(struct childnotes *notes, struct fetch *fetch,
		    unsigned command, const void *in, size_t len)
{
	if (command == CHILDNOTE_LOAD)
		return take_load(notes, in, len);
	if (command == CHILDNOTE_PAGES)
		return take_pages(fetch, in, len);
	return -ENOTTY;
}

uint64_t childnotes_loads(struct childnotes *notes,
			  struct childnote_load *ret_last)
{
	uint64_t nr;

	(void)pthread_mutex_lock(&notes->lock);
	nr = notes->nr_loads;
	*ret_last = notes->last;
	(void)pthread_mutex_unlock(&notes->lock);
	return nr;
}
