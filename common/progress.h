/* SPDX-License-Identifier: MIT */
/*
 * progress.h - how far something is: a bar for people, a line for programs
 *
 * On a terminal one line that is drawn anew; elsewhere one JSON object a second
 * and one at the end.  progress_line() is the plain sentence for a log.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_LINE_MAX 255

struct progress {
	const char *what;  /* "local:/pid/12" */
	const char *state; /* "running", "complete", "failed" */
	uint64_t done_bytes, all_bytes;
	uint64_t took_ns; /* so far */
};

/*
 * "mitosisfs: ..." without the name: "12.0 of 200.0 MiB (6 %) of local:/pid/12
 * here, running, 310.4 MiB/s".  At most PROGRESS_LINE_MAX bytes, and a NUL.
 */
void progress_line(const struct progress *progress,
		   char line[PROGRESS_LINE_MAX + 1]);

/* The same as a bar that fits in @columns, 20 or more. */
void progress_bar(const struct progress *progress, unsigned columns,
		  char line[PROGRESS_LINE_MAX + 1]);

/* Somebody who watches @fd. */
struct progress_show {
	int fd;
	bool tty;
	uint64_t next_ns; /* no sign before */
};

/* @fd stays the caller's. */
struct progress_show progress_to(int fd);

/* How long after the last sign the next is due, in milliseconds. */
int progress_pause_ms(const struct progress_show *show);

/*
 * Show @progress if it is time, or in any case as the @last one.  Errors of the
 * descriptor are ignored: nobody is left to be told.
 */
void progress_tell(struct progress_show *show, const struct progress *progress,
		   bool last);
