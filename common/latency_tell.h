/* SPDX-License-Identifier: MIT */
/*
 * latency_tell.h - how long faults waited, for people and for programs
 * (docs/status-json.md)
 */
#pragma once

#include <stdio.h>

#include "common/json.h"
#include "common/latency.h"

/* "key: value" lines; without memory none. */
void latency_tell_text(FILE *out, const struct latency *latency);

/* The same as members of the object that is open in @json. */
void latency_tell_json(struct json *json, const struct latency *latency);
