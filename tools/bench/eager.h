/* SPDX-License-Identifier: MIT */
/*
 * eager.h - everything fetched at once, beside a plain socket copy of as much
 *
 * The rivals send so many bytes of their own memory through a TCP connection of
 * loopback, to a reader that keeps them in a file of the page cache, as a mount
 * does, or in one buffer, over and over.
 */
#pragma once

#include "tools/bench/options.h"
#include "tools/bench/phases.h"

/* Measure and report.  Says its errors and returns -errno. */
int eager_measure(const struct options *options, struct bench *bench);
