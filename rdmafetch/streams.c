/* SPDX-License-Identifier: MIT */
#include "rdmafetch/streams.h"

#include <string.h>

/* The second demand of a stream tells that it is one. */
static void go_on(struct streams *streams, struct prefetch_state *stream)
{
	if (stream->begin_page)
		rows_note(&streams->rows, stream->begin_page);
	stream->begin_page = 0;
}

struct prefetch_state *streams_find(struct streams *streams, uint64_t page,
				    const struct prefetch_policy *policy)
{
	struct prefetch_state *at = streams->at, found = {0};
	unsigned i = 0;

	while (i < STREAMS && !policy->goes_on(&at[i], page))
		i++;
	if (i < STREAMS) {
		found = at[i];
		go_on(streams, &found);
	} else {
		i--;
		found.begin_page = page;
		found.row_step = rows_step(&streams->rows, page);
	}
	memmove(at + 1, at, i * sizeof(*at));
	at[0] = found;
	return at;
}
