/* SPDX-License-Identifier: MIT */
/*
 * reading.h - the bytes of a read: out of the warm file, the core, the fetch
 *
 * Above: ops.c.  Threads: any; blocks as fetch_read() does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/tree.h"
#include "rdmafetch/loan.h"

struct ops_context;

/* Whole pages of a file, and where they are. */
struct reading {
	const struct tree_node *node; /* with pages */
	uint64_t offset;
	uint8_t *buf; /* for what has to be brought */
	size_t len_bytes;
	struct loan loan; /* the answer, while it lasts */
};

/* Whether children map @node, which may be NULL. */
bool reading_is_all_pages(const struct tree *tree,
			  const struct tree_node *node);

/*
 * Bring the bytes: 0, and reading_end() is due when they have been passed on;
 * or -errno as fetch_read().
 */
int reading_get(const struct ops_context *context, struct reading *reading);

/*
 * Whoever waited has his answer: give back what is lent, or put the pages into
 * the stash.  Not those of the core, which are another file's too.
 */
void reading_end(const struct ops_context *context, struct reading *reading);
