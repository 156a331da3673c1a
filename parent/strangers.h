/* SPDX-License-Identifier: MIT */
/*
 * strangers.h - a line for the log of each client that is not let in
 *
 * Above: parent/session.c.  Below: logbook.c.
 *
 * Threads: the loop's.
 */
#pragma once

#include <stdint.h>

#include "parent/logbook.h"

#define STRANGERS_PER_S_MAX 5u

/* The client at the far end of the socket @fd (-1: none) was turned away at
 * @now_ns, for the reason @why, which is printable. */
void strangers_turned_away(struct logbook *book, int fd, const char *why,
			   uint64_t now_ns);
