/* SPDX-License-Identifier: MIT */
/*
 * children.h - "mitosis-bench children": how many a second, and their memory
 *
 * A loader that serves makes them, each with pipes, one request and one answer;
 * beside it the parent forks as many and does the same.  What counts is the CPU
 * time of all processes: the loader's, the children's, whoever asks.
 */
#pragma once

#include "tools/bench/bench.h"

/* Says its errors and returns -errno. */
int children_measure(struct bench *bench);
