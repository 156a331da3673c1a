/* SPDX-License-Identifier: MIT */
/*
 * lap.h - how long each of several steps took, one after the other
 */
#pragma once

#include <stdint.h>

#include "common/io.h"

/* Nanoseconds since *@since (CLOCK_MONOTONIC), which becomes now. */
static inline uint64_t lap_ns(uint64_t *since)
{
	uint64_t now = io_monotonic_ns(), took = now - *since;

	*since = now;
	return took;
}
