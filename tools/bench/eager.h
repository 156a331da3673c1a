/* SPDX-License-Identifier: MIT */
/*
 * eager.h - everything fetched at once, beside a plain socket copy of as much
 *
 * The rivals' readers keep what comes in a file of the page cache, as a mount
 * does, or throw it away.
 */
#pragma once

#include "tools/bench/bench.h"

/* Measure and report.  Says its errors and returns -errno. */
int eager_measure(struct bench *bench);
