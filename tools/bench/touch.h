/* SPDX-License-Identifier: MIT */
/*
 * touch.h - a part of the memory touched: by a first child, by a second one, by
 * a fork()ed one, and in maps that cost the least
 *
 * The first child is alone in a fresh mount; before the second, all has been
 * read.  The floors are those of a process that has no images: a private map of
 * a file of the page cache with the same contents, and anonymous memory.
 */
#pragma once

#include "tools/bench/bench.h"

/* Measure and report.  Says its errors and returns -errno. */
int touch_measure(struct bench *bench);
