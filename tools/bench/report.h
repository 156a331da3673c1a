/* SPDX-License-Identifier: MIT */
/*
 * report.h - the benchmark's figures, for people or as JSON lines
 */
#pragma once

#include "tools/bench/options.h"
#include "tools/bench/phases.h"
#include "tools/bench/memory.h"

/* The machine, a line and an empty one. */
void report_machine(void);

/* What was measured and on what machine: a heading. */
void report_head(const struct options *options);

void report_phases(const struct options *options, const struct phases *phases);

/* The last stage of @memory, in short. */
void report_pss(const struct memory *memory);
