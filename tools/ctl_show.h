/* SPDX-License-Identifier: MIT */
/*
 * ctl_show.h - what a mitosisd told, for people and for programs
 *
 * Names of processes are bytes that somebody chose: nothing in them reaches a
 * terminal that could move its cursor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/report.h"
#include "common/wire.h"
#include "common/workset.h"
#include "tools/ctl_mounts.h"

/* Of all JSON here: docs/mitosisctl-json.md. */
#define SHOW_JSON_FORMAT 1

/* A table, or {"format": 1, "images": [...]}. */
void show_images(const struct report_image *images, size_t nr, bool json,
		 FILE *out);

/*
 * A daemon, one fact per line, and a table of mounts; or one object.  Either
 * may be NULL: not asked for, or not there.
 */
void show_status(const struct report_status *status,
		 const struct ctl_mounts *mounts, bool json, FILE *out);

/*
 * What became of PREPARE: "NAME: paused 5.2 ms, ..." or an object, which has
 * the key too.  @details may be NULL: the daemon did not list the image.
 */
void show_prepared(const struct wire_image *image,
		   const struct report_image *details, bool json, FILE *out);

/* Nothing for people, who asked for it; an object that says so. */
void show_released(const char *name, bool json, FILE *out);
void show_renewed(const char *name, uint32_t lease_s, bool json, FILE *out);

/* A working set in the order of its faults: a line, or an array, a run. */
void show_trace(const char *name, const struct workset *set, bool json,
		FILE *out);
