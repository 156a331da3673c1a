/* SPDX-License-Identifier: MIT */
/*
 * pending.h - signals that were sent and not yet taken
 *
 * Above: threads.c, rung.c, snapshot.c.  Asks the kernel through a stopped
 * thread (PTRACE_PEEKSIGINFO); the queues stay as they are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"

struct pending {
	struct image_pending *signals; /* pending_free() */
	uint32_t nr, cap;
};

/*
 * Add what is queued for the stopped thread @tid or, with @shared, for its
 * process.  The rows say @tid, or 0.  *@ret_set: which signals, bit 0 is 1.
 *
 * Returns 0, -ESRCH, -E2BIG past IMAGE_PENDING_MAX, or -ENOMEM.
 */
int pending_add(struct pending *pending, pid_t tid, bool shared,
		uint64_t *ret_set);

/* Add a copy of @row.  0, -E2BIG past IMAGE_PENDING_MAX, or -ENOMEM. */
int pending_take(struct pending *pending, const struct image_pending *row);

void pending_free(struct pending *pending);
