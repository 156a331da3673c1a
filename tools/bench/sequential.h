/* SPDX-License-Identifier: MIT */
/*
 * sequential.h - all of a parent's memory read from the front to the back
 *
 * By a child that looks at every page, and by read(2) on the file of the area
 * in a mount; beside that, as many bytes through a plain socket of the same
 * link.
 */
#pragma once

#include "tools/bench/bench.h"

/* Measure and report.  Says its errors and returns -errno. */
int sequential_measure(struct bench *bench);
