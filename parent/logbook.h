/* SPDX-License-Identifier: MIT */
/*
 * logbook.h - lines for a log, not too many of them
 *
 * So many a second: who makes the daemon say something fills no disk.  What is
 * left out is counted, and the next line tells how many those were.
 *
 * Above: strangers.c, prepare.c.  Below: whoever has the log, tools/mitosisd.c.
 *
 * Threads: the loop's.
 */
#pragma once

#include <stdint.h>

#define LOGBOOK_LINE_MAX 400

struct logbook {
	void (*say)(const char *line); /* NULL: nobody wants to know */
	unsigned per_s_max;
	uint64_t second_ns; /* when the lines began that count now */
	unsigned nr_said, nr_untold;
};

/* Say a line at @now_ns, of words that are printable. */
void logbook_say(struct logbook *book, uint64_t now_ns, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
