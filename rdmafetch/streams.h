/* SPDX-License-Identifier: MIT */
/*
 * streams.h - several streams of faults, told apart: pure
 *
 * A process that reads two arrays at once makes two streams; each has a state
 * of its own for the policy.  The one that was idle longest gives way to a new
 * one.
 */
#pragma once

#include "rdmafetch/prefetch.h"
#include "rdmafetch/rows.h"

#define STREAMS 8u

/* Zeroed before first use. */
struct streams {
	struct prefetch_state at[STREAMS]; /* last used first */
	struct rows rows;		   /* where they began */
};

/*
 * The stream that a demand of @page goes on, by @policy's own word; else a new
 * one.  Good until the next call.
 */
struct prefetch_state *streams_find(struct streams *streams, uint64_t page,
				    const struct prefetch_policy *policy);
