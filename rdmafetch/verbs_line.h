/* SPDX-License-Identifier: MIT */
/*
 * verbs_line.h - receive buffers whose requests wait, first in, first out
 *
 * Above: verbs_client.c.  Pure; a buffer stands in one line at most, so a line
 * never overflows.
 */
#pragma once

#include <stdint.h>

#include "rdmafetch/verbs_hub.h"

/* Zeroed: empty. */
struct verbs_line {
	unsigned first, nr;
	uint8_t buffers[VERBS_RECVS_POSTED];
};

static inline void vline_add(struct verbs_line *line, unsigned at)
{
	line->buffers[(line->first + line->nr++) % VERBS_RECVS_POSTED] =
		(uint8_t)at;
}

/* Of one that is not empty. */
static inline unsigned vline_first(const struct verbs_line *line)
{
	return line->buffers[line->first];
}

static inline void vline_drop_first(struct verbs_line *line)
{
	line->first = (line->first + 1) % VERBS_RECVS_POSTED;
	line->nr--;
}
