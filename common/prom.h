/* SPDX-License-Identifier: MIT */
/*
 * prom.h - write metrics: Prometheus' text format 0.0.4, or the same as JSON
 *
 * For /mnt/metrics and mitosisctl metrics.  A family is a name with its help
 * and its type, and then its samples:
 *
 *     struct prom prom = prom_to(file, PROM_TEXT);
 *     prom_family(&prom, "mitosisd_reads_total", PROM_COUNTER, "Reads.");
 *     prom_u64(&prom, labels, 42);
 *     prom_end(&prom);
 *
 * Names are the caller's to choose well: base units (seconds, bytes), _total
 * behind counters, nothing else behind histograms.  Errors are the stream's.
 * One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/timing.h"
#include "common/json.h"

/* Of the JSON, see docs/metrics.md. */
#define PROM_JSON_FORMAT 1

enum prom_form { PROM_TEXT, PROM_JSON };

enum prom_type { PROM_COUNTER, PROM_GAUGE, PROM_HISTOGRAM };

/* A list of them ends with a key of NULL.  Values may be any bytes. */
struct prom_label {
	const char *key, *value;
};

struct prom {
	FILE *file;
	enum prom_form form;
	struct json json;
	const char *name; /* of the family that is open, or NULL */
};

/* A writer on @file, which stays the caller's. */
struct prom prom_to(FILE *file, enum prom_form form);

/* Begin a family.  @name must live until the next one; @help is one line. */
void prom_family(struct prom *prom, const char *name, enum prom_type type,
		 const char *help);

/* One sample; @labels may be NULL. */
void prom_u64(struct prom *prom, const struct prom_label *labels,
	      uint64_t value);

/* The same of a time in nanoseconds, shown in seconds. */
void prom_seconds(struct prom *prom, const struct prom_label *labels,
		  uint64_t ns);

/* All buckets, the sum in seconds, and the count. */
void prom_histogram(struct prom *prom, const struct prom_label *labels,
		    const struct timing *timing);

/* After the last family. */
void prom_end(struct prom *prom);
