/* SPDX-License-Identifier: MIT */
#include "fs/faults.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"

char *faults_text(struct fetch *fetch)
{
	CLEANUP_FREE struct latency *latency = malloc(sizeof(*latency));
	char *text = NULL;
	size_t len;
	FILE *out = latency ? open_memstream(&text, &len) : NULL;

	if (!out)
		return NULL;
	fetch_get_latency(fetch, latency);
	latency_write(out, latency);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}
