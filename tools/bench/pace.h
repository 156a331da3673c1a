/* SPDX-License-Identifier: MIT */
/*
 * pace.h - so many bytes, brought in several ways: a table, or rows of JSON
 */
#pragma once

#include "tools/bench/options.h"
#include "tools/bench/stats.h"

struct pace {
	const char *field, *words; /* who: for JSON, for people */
	struct stats took_ns;
};

/*
 * Print @nr ways of bringing @bytes; @paces[@reference] is what all others are
 * set against.
 */
struct pace_table {
	const char *benchmark;
	const struct pace *paces;
	unsigned nr, reference;
	uint64_t bytes;
};

void pace_report(const struct options *options, const struct pace_table *table);
