/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - /mnt/metrics: how this mount is doing, for Prometheus
 *
 * docs/metrics.md has the names.
 */
#pragma once

#include "fs/status.h"
#include "rdmafetch/fetch.h"

/*
 * The text, to be freed by the caller, or NULL without memory.  Any thread;
 * does not block on the network.
 */
char *metrics_text(const struct status_origin *origin, struct fetch *fetch);
