/* SPDX-License-Identifier: MIT */
/* fuzz_latency.c - any text as a mount's file of fault times */
#include <stdlib.h>
#include <string.h>

#include "common/latency.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct latency latency, same;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	memset(&latency, 0, sizeof(latency));
	if (!latency_read(text, &latency)) {
		same = latency;
		for (int how = 0; how < LATENCY_HOWS; how++)
			if (hist_percentile(&latency.by[how], 100) !=
			    latency.by[how].max)
				abort();
		latency_subtract(&latency, &same);
		for (int how = 0; how < LATENCY_HOWS; how++)
			if (latency.by[how].nr)
				abort();
	}
	free(text);
	return 0;
}
