/* SPDX-License-Identifier: MIT */
#include "rdmafetch/streams.h"

#include <string.h>

struct prefetch_state *streams_find(struct streams *streams, uint64_t page,
				    const struct prefetch_policy *policy)
{
	struct prefetch_state *at = streams->at, found = {0};
	unsigned i = 0;

	while (i < STREAMS && !policy->goes_on(&at[i], page))
		i++;
	if (i < STREAMS)
		found = at[i];
	else
		i--;
	memmove(at + 1, at, i * sizeof(*at));
	at[0] = found;
	return at;
}
