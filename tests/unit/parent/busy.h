/* SPDX-License-Identifier: MIT */
/*
 * busy.h - a process that works in several threads and checks itself
 *
 *   main     keeps patterns in all integer and AVX registers while it counts
 *   sleeper  nanosleep, clock_nanosleep, poll, select with a timeout
 *   reader   read on a pipe that nobody writes, until the end
 *   locker   futex waits
 *   handler  takes a signal every millisecond, on its alternate stack
 *
 * Every result is checked; the first wrong one is kept.  It dies with the test.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct busy_page;

struct busy {
	pid_t pid;
	struct busy_page *page; /* shared with it */
	int pipe_fd;
};

/* Start one; 0 or -errno. */
int busy_start(struct busy *busy);

/* How often its threads have gone round: grows while all of them live. */
uint64_t busy_rounds(const struct busy *busy);

/* Wait until all threads have gone round; 0, or -ETIME after ten seconds. */
int busy_wait_round(const struct busy *busy);

/* NULL, or the first thing that it found wrong. */
const char *busy_complaint(const struct busy *busy);

/* Ask it to end, and wait.  Its complaint, or NULL after a good end. */
const char *busy_end(struct busy *busy);
