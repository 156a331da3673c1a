/* SPDX-License-Identifier: MIT */
/* fuzz_xfer_link.c - any line to the benchmark's serving role, and from it:
 * what is taken says itself again */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/xfer_link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ask(const char *line)
{
	struct perftest_plan plan, again;
	char put[XFER_LINE_MAX];
	enum xfer_ask ask;

	if (xfer_get_ask(line, &ask, &plan) || ask != XFER_PERFTEST)
		return;
	xfer_put_perftest(put, &plan);
	if (xfer_get_ask(put, &ask, &again) || again.tool != plan.tool ||
	    again.size_bytes != plan.size_bytes || again.depth != plan.depth ||
	    again.iters != plan.iters || again.events != plan.events)
		abort();
}

static void check_offer(const char *line)
{
	struct xfer_offer offer;
	char put[XFER_LINE_MAX];

	if (xfer_get_offer(line, &offer))
		return;
	xfer_put_offer(put, &offer);
	if (xfer_get_offer(put, &offer))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);

	if (!line)
		return 0;
	memcpy(line, data, size);
	line[size] = '\0';
	check_ask(line);
	check_offer(line);
	free(line);
	return 0;
}
