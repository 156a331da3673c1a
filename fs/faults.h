/* SPDX-License-Identifier: MIT */
/*
 * faults.h - how long faults waited: /mnt/faults, and a part of the profile in
 * status and status.json (docs/status-json.md)
 */
#pragma once

#include <stdio.h>

#include "common/json.h"
#include "rdmafetch/fetch.h"

/* All buckets (common/latency.h), to be freed by the caller; NULL: no memory.
 */
char *faults_text(struct fetch *fetch);

/* "key: value" lines. */
void faults_print(FILE *out, const struct latency *latency);

/* The same as members of the object that is open in @json. */
void faults_put(struct json *json, const struct latency *latency);
