/* SPDX-License-Identifier: MIT */
/*
 * verbs_line.h - requests that wait, first in, first out, by where they lie
 *
 * Above: verbs_client.c.  Pure.
 */
#pragma once

#include <errno.h>
#include <stdint.h>

/* Four times as many as a client may have under way. */
#define VLINE_MAX 256u

/* A request: its receive buffer, and where in there its header is. */
struct verbs_place {
	uint16_t buffer, offset;
};

/* Zeroed: empty. */
struct verbs_line {
	unsigned first, nr;
	struct verbs_place places[VLINE_MAX];
};

/* 0, or -ENOSPC: as many wait as there may. */
static inline int vline_add(struct verbs_line *line, struct verbs_place place)
{
	if (line->nr == VLINE_MAX)
		return -ENOSPC;
	line->places[(line->first + line->nr++) % VLINE_MAX] = place;
	return 0;
}

/* Of one that is not empty. */
static inline struct verbs_place vline_first(const struct verbs_line *line)
{
	return line->places[line->first];
}

static inline void vline_drop_first(struct verbs_line *line)
{
	line->first = (line->first + 1) % VLINE_MAX;
	line->nr--;
}
