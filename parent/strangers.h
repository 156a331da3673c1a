/* SPDX-License-Identifier: MIT */
/*
 * strangers.h - a line for the log of each client that is not let in
 *
 * A few a second: who knocks often fills no disk.  What is left out is counted.
 *
 * Above: parent/session.c.  Below: whoever has the log, tools/mitosisd.c.
 *
 * Threads: the loop's.
 */
#pragma once

#include <stdint.h>

#define STRANGERS_LINE_MAX  400
#define STRANGERS_PER_S_MAX 5u

struct strangers {
	void (*say)(const char *line); /* NULL: nobody wants to know */
	uint64_t second_ns;	       /* when the lines began that count now */
	unsigned nr_said, nr_untold;
};

/* The client at the far end of the socket @fd (-1: none) was turned away at
 * @now_ns, for the reason @why, which is printable. */
void strangers_turned_away(struct strangers *strangers, int fd, const char *why,
			   uint64_t now_ns);
