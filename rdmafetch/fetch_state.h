/* SPDX-License-Identifier: MIT */
/*
 * fetch_state.h - what a fetch is made of, for fetch.c and its two helpers alone
 *
 * fetch.c works with it, and round.c for it; fetch_state.c tells of it
 * (prototypes in fetch.h).
 * Locks: pump.lock guards all that changes.
 */
#pragma once

#include <pthread.h>

#include "rdmafetch/ahead.h"
#include "rdmafetch/fetch.h"
#include "rdmafetch/hold.h"
#include "rdmafetch/pageset.h"
#include "rdmafetch/pump.h"
#include "rdmafetch/supply.h"

struct fetch {
	struct pump pump;
	struct fetch_options options;
	pthread_mutex_t
		start_lock;  /* of the prefetch thread; before pump.lock */
	struct ahead *ahead; /* NULL until it is started */
	struct hold *hold;
	struct supply *supply;
	struct foreseen *foreseen;
	struct pageset *here;	  /* where the sink puts pages */
	struct pageset *faulted;  /* of these, by fetch_fault() */
	struct workset workset;	  /* the same in order */
	struct fetch_stats stats; /* the demand's own */
	struct latency latency;
	bool is_stale; /* a read was told that the image is gone */
	unsigned nr_callers;
	pthread_cond_t no_callers;
};
