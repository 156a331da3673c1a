/* SPDX-License-Identifier: MIT */
/*
 * profile.h - what an image and its children cost: a part of status and of
 * status.json (docs/status-json.md)
 */
#pragma once

#include <stdio.h>

#include "common/json.h"
#include "fs/status.h"

/* "key: value" lines, of @stats and the latency of @fetch. */
void profile_print(FILE *out, const struct status_origin *origin,
		   const struct fetch_stats *stats, struct fetch *fetch);

/* The same as members of the object that is open in @json. */
void profile_put(struct json *json, const struct status_origin *origin,
		 const struct fetch_stats *stats, struct fetch *fetch);
