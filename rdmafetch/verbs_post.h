/* SPDX-License-Identifier: MIT */
/*
 * verbs_post.h - from reads taken to work requests posted
 *
 * Each read becomes one READ a region, or a message where no region covers it.
 * All that can go goes in one chain, one ibv_post_send() and one doorbell; few
 * of the chain are signalled (see verbs_ring.h).
 *
 * Above: verbs.c, which holds its lock in every call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/verbs_buffers.h"
#include "rdmafetch/verbs_link.h"
#include "rdmafetch/verbs_regions.h"
#include "rdmafetch/verbs_ring.h"
#include "rdmafetch/verbs_slots.h"

/* All of a transport that its lock guards. */
struct verbs_core {
	struct verbs_link *link;
	uint32_t handle;
	struct verbs_regions regions;
	struct verbs_refused *refused; /* borrowed, outlives us */
	struct verbs_buffers buffers;
	struct verbs_ring ring;
	struct verbs_slots slots;
	unsigned nr_asked; /* messages whose answer may come: a receive each */
	uint32_t taken[VERBS_SLOTS]; /* ids to be said TAKEN */
	unsigned nr_taken;
	bool is_broken;
};

/* Post all that can go now.  Does not block; may find the link broken. */
void verbs_post_queued(struct verbs_core *core);
