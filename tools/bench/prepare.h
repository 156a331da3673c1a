/* SPDX-License-Identifier: MIT */
/*
 * prepare.h - what an image costs its parent, by the parent's size
 *
 * How long it stands still, and until there is an image; fork() beside that.
 */
#pragma once

#include "tools/bench/bench.h"

/* Measure parents of each size and report.  Says its errors and returns
 * -errno. */
int prepare_measure(struct bench *bench);
