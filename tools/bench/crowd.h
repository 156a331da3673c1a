/* SPDX-License-Identifier: MIT */
/*
 * crowd.h - many children at once, of one image or of one parent's fork()
 *
 * Each call says its errors and returns -errno.
 */
#pragma once

#include <stdbool.h>

#include "tools/bench/bench.h"
#include "tools/bench/pss.h"
#include "tools/bench/rival.h"

struct crowd {
	bool is_fork;
	unsigned nr; /* children that there are */
	struct rival children[OPTIONS_CHILDREN_MAX];
};

/* Make @nr children, at most OPTIONS_CHILDREN_MAX, of the mounted image or,
 * with @is_fork, of the parent.  On errors too there is a crowd to close. */
int crowd_open(struct bench *bench, bool is_fork, unsigned nr,
	       struct crowd *crowd);

/* Ask them one after the other.  -EBADMSG: not the parent's answer. */
int crowd_ask(struct bench *bench, struct crowd *crowd, const char *command,
	      const char *word);

/* The memory of all of them, without their loaders'. */
int crowd_memory(const struct crowd *crowd, struct pss *ret);

void crowd_close(struct bench *bench, struct crowd *crowd);
