/* SPDX-License-Identifier: MIT */
/*
 * affinity.h - which CPUs a thread of the child may use
 *
 * What a thread was bound to counts as far as the loader may go there: a batch
 * system or taskset(1) that has bound the loader has the last word.  On another
 * host that goes for a process that was bound as a whole, too; threads that were
 * bound apart are kept apart.
 *
 * Pure but for affinity_read().
 */
#pragma once

#include <stdbool.h>

#include "common/image.h"

/* Bit N of the bytes is CPU N, as for sched_setaffinity(2). */
struct affinity {
	uint8_t cpus[IMAGE_CPUS_BYTES_MAX];
};

/* Those that the calling thread may use; none where that is not told. */
void affinity_read(struct affinity *ret);

/*
 * Those that thread @i of @image is to be bound to, by a loader that may use
 * @own: how many bytes of *@ret there are, 0 when it is not to be bound.
 */
uint32_t affinity_of(const struct image *image, uint32_t i,
		     const struct affinity *own, bool same_host,
		     struct affinity *ret);
