/* SPDX-License-Identifier: MIT */
/*
 * ctl_metrics.h - a mitosisd's status as metrics, for Prometheus
 *
 * docs/metrics.md has the names.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "common/report.h"

/* Prometheus' text format, or the same as JSON.  Errors are the stream's. */
void show_metrics(const struct report_status *status, bool json, FILE *out);
