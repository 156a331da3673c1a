/* SPDX-License-Identifier: MIT */
/*
 * shared.h - copy memory that fork() does not protect, while the target waits
 *
 * Writable MAP_SHARED memory goes on changing after the pause, and private
 * huge pages may be taken from the twin.  Their bytes are copied into a memfd:
 *
 *   target   ....[AAAA..AA]......[BBB]....     areas; '.' inside: holes
 *   memfd        [AAAAAABBB]                   runs, one after the other
 *
 * What other processes that map the same object do in the meantime is theirs.
 * Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "parent/refusal.h"

struct shared;

/* What may be copied: the target's areas (borrowed), and at most so much. */
struct shared_origin {
	pid_t pid;
	int mem_fd; /* its /proc/PID/mem, borrowed until shared_free() */
	const struct image_vma *vmas;
	uint32_t nr_vmas;
	uint64_t max_bytes;
};

/* True for an area that must be copied inside the pause. */
bool shared_wants(const struct image_vma *vma);

/*
 * While the target runs: measure its areas and get that much memory ready.
 *
 * Returns 0, or
 *   -EFBIG  more than max_bytes to copy, or than RLIMIT_FSIZE allows (SIGXFSZ
 *           is to be ignored), words in @why
 *   -ESRCH, -EACCES, -ENOMEM, -errno
 */
int shared_prepare(const struct shared_origin *origin,
		   struct shared **ret_shared, struct refusal *why);

/*
 * All threads stopped: list the areas again and copy them.
 *
 * On success *@ret_fd (-1 when there is nothing) and *@ret_runs (free()) are
 * the caller's; the runs are by address and in file order.
 *
 * Returns as shared_prepare(), or -EIO when memory could not be read.
 */
int shared_copy(struct shared *shared, int *ret_fd, struct image_run **ret_runs,
		uint32_t *ret_nr_runs, struct refusal *why);

/* NULL is allowed. */
void shared_free(struct shared *shared);
