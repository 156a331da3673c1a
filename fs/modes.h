/* SPDX-License-Identifier: MIT */
/*
 * modes.h - the ways in which pages may come, and which of them go together
 *
 * Pure: what the user said in, what to do out.  Each way of the ancestor's that
 * was a build of its own is a word here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/prefetch.h"

#define MODES_WHY_MAX	   255
#define MODES_UNSET	   (~0u)
#define MODES_AHEAD_MIN_KB 4u
#define MODES_AHEAD_MAX_KB 16384u
#define MODES_CACHE_MIN	   (1ull << 20)
#define MODES_CACHE_BYTES  (1ull << 30) /* of a stash */
#define MODES_AHEAD_KB	   128u		/* measured: docs/performance.md */

enum modes_kind {
	MODES_COW,	/* one page a fault, nothing ahead */
	MODES_PREFETCH, /* what the kernel reads around a fault, and a policy */
	MODES_EAGER,	/* everything, in the background */
};

/* What becomes of pages that have come. */
enum modes_cache {
	MODES_CACHE_KERNEL, /* the kernel keeps them, as memory allows */
	MODES_CACHE_OFF,    /* for those who have them open, and no longer */
	MODES_CACHE_STASH,  /* the kernel, and a store of ours */
};

/* Whether an image that is complete becomes warm: fs/warm.h. */
enum modes_warm {
	MODES_WARM_OFF,
	MODES_WARM_AUTO,    /* where it can be had */
	MODES_WARM_REQUIRE, /* or there is no mount */
};

/* As said: NULL or MODES_UNSET for what was not. */
struct modes_wish {
	const char *mode, *prefetch, *eager;
	unsigned prefetch_pages, readahead_kb;
	const char *cache, *stash, *cache_size;
	const char *warm;
};

struct modes {
	enum modes_kind kind;
	const struct prefetch_policy *policy;
	unsigned prefetch_pages, readahead_kb;
	bool replays; /* prefetch=trace: an earlier child's working set */
	bool waits;   /* MODES_EAGER: there is no mount before all is here */
	enum modes_cache cache;
	enum modes_warm warm; /* MODES_EAGER; else off */
	uint64_t cache_bytes; /* of MODES_CACHE_STASH */
	bool cache_is_said;   /* cache_size=, and so it is kept */
};

/*
 * Decide.  Returns 0, or -EINVAL with words in @why (MODES_WHY_MAX + 1 bytes):
 * an unknown word, or two that contradict each other.
 */
int modes_decide(const struct modes_wish *wish, struct modes *ret_modes,
		 char *why);

/* "cow", "prefetch", "eager". */
const char *modes_name(enum modes_kind kind);

/* "kernel", "off", "stash". */
const char *modes_cache_name(enum modes_cache cache);
