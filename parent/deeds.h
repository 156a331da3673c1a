/* SPDX-License-Identifier: MIT */
/*
 * deeds.h - what was registered for a lending, known whoever dies
 *
 *     daemon                keeper       lender
 *       deeds_new() --fd----> --fd--------> maps it, shared
 *                                           ioctl: the kernel itself writes
 *                                           the handle into it
 *       deeds_end() <---- the same pages, beyond change from then on
 *
 * A region lives in the daemon's device descriptor, not in the lender's memory:
 * it stays, and can be read, when lender and keeper are gone.  So its handle is
 * never in their memory alone.
 *
 * Threads: any; one at a time for one descriptor.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"

/* What became of one range. */
struct lend_deed {
	int32_t error; /* 0 or -errno; the others count only with 0 */
	uint32_t mr_handle, rkey;
};

#define DEEDS_NO_HANDLE UINT32_MAX

/* A range as the lender has it; the last three are the kernel's answer. */
struct deeds_entry {
	uint64_t raddr, len_bytes;
	int32_t error;
	uint32_t mr_handle, lkey, rkey;
};

/*
 * A memfd of an entry for each of the @nr @ranges, none of which was tried; of
 * a fixed size.  *@ret_fd is the caller's.  Returns 0, -ENOMEM, or -errno of
 * memfd_create(2) and write(2).
 */
int deeds_new(const struct image_run *ranges, uint32_t nr, int *ret_fd);

/*
 * Let nobody change the @nr entries any more, and tell in @deeds what they say;
 * those that were not tried have -ECANCELED.
 *
 * Waits until the lender, which the caller knows to be dying or done, has no
 * map of them; not beyond DEEDS_WAIT_MS.
 *
 * Returns 0, -EBUSY when one has a map still, and @deeds are what is known, or
 * -errno of pread(2), and @deeds are all -ECANCELED.
 */
int deeds_end(int fd, uint32_t nr, struct lend_deed *deeds);

#define DEEDS_WAIT_MS 2000
