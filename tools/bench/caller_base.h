/* SPDX-License-Identifier: MIT */
/*
 * caller_base.h - what callers have in common: ids and times
 *
 * Below caller.h; a caller of each kind begins with this.  A call's id is its
 * slot, and a slot is used again when it is answered.
 */
#pragma once

#include "tools/bench/caller.h"

struct caller_ops {
	int (*start)(struct caller *caller, unsigned nr);
	int (*reap)(struct caller *caller, struct hist *hist);
	void (*close)(struct caller *caller);
};

struct caller {
	const struct caller_ops *ops;
	unsigned underway_max, body_bytes;
	unsigned nr_free, free_ids[CALLER_UNDERWAY_MAX];
	uint64_t start_ns[CALLER_UNDERWAY_MAX]; /* 0: not under way */
};

#define CALLER_PATIENCE_MS 10000

void caller_init(struct caller *caller, const struct caller_ops *ops,
		 const struct caller_options *options);

/*
 * Write one more call, there is a free id, to @out: WIRE_HEADER_BYTES and the
 * body, of zeros.  Returns its id.
 */
unsigned caller_put(struct caller *caller, uint8_t *out, uint64_t now_ns);

/* The answer whose header is @in, WIRE_HEADER_BYTES.  0 or -EPROTO. */
int caller_take(struct caller *caller, const uint8_t *in, uint64_t now_ns,
		struct hist *hist);

/* The kinds; as caller_open(). */
int caller_tcp_open(const struct caller_options *options, struct caller **ret,
		    char *why);
int caller_verbs_open(const struct caller_options *options, struct caller **ret,
		      char *why);
int caller_dgram_open(const struct caller_options *options, struct caller **ret,
		      char *why);
