/* SPDX-License-Identifier: MIT */
/*
 * floors.h - page faults that no file system has a part in
 */
#pragma once

#include "common/hist.h"

enum floor { FLOOR_ZERO, FLOOR_COPY, FLOOR_FORK, FLOOR_END };

extern const char *const floor_names[FLOOR_END];  /* for people */
extern const char *const floor_fields[FLOOR_END]; /* for JSON */

/* Fault @nr times, and add how long each took, in ns.  0 or -errno. */
int floor_measure(enum floor floor, unsigned nr, struct hist *hist);
