/* SPDX-License-Identifier: MIT */
/*
 * lending.h - what daemon and keeper say to each other about lending memory
 *
 * The keeper's half is here; the daemon's is keeper_lend() and keeper_lent().
 * One request is answered before the next is sent.
 *
 * Threads: the tracing thread.
 */
#pragma once

#include <stdint.h>

#include "parent/lend.h"
#include "parent/lender.h"
#include "parent/refusal.h"
#include "parent/snapshot.h"

#define LENDING_RANGES_MAX 65536u

/* With two descriptors: the device's, and the deeds (deeds.h). */
struct lending_ask {
	uint32_t driver_id, pd_handle, access;
	uint32_t nr_ranges; /* 1 to LENDING_RANGES_MAX */
};

/* Without an error the lender's pidfd comes too. */
struct lending_answer {
	int32_t error; /* 0 or -errno */
	struct refusal why;
};

#define LENDING_FDS 2

/*
 * Take a request from @sock, which is readable, and answer it.  @lender is made
 * when there is none, and closed after a failure.
 *
 * Blocks while the kernel registers.  Returns 0, also when the answer is a
 * refusal, or -errno when @sock is of no more use.
 */
int lending_serve(int sock, const struct snapshot *snapshot,
		  struct lender *lender);
