/* SPDX-License-Identifier: MIT */
/*
 * export.h - which memory of a twin may be lent to a device for remote READs
 *
 * Above: exports.c, which has it registered.  A range is a run of pages whose
 * bytes the twin itself holds and that a device can have faulted in:
 *
 *   lent    what the image has of readable private memory, anonymous or of a
 *           file up to the file's end
 *   not     PROT_NONE and write-only areas (a READ there breaks the
 *           connection), what parent/pages.c serves from copies (shared
 *           memory, hugetlbfs), shared maps of files, vdso and vvar
 *
 * Neighbours are one range.  Small holes of anonymous areas, which read as
 * zeros, are lent too where that saves ranges; large ones never, as the kernel
 * keeps EXPORT_TABLE_BYTES for each page that is registered.
 *
 * Pure functions, any thread.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"

/* Two tables of one word (ib_umem_odp_alloc(), drivers/infiniband/core). */
#define EXPORT_TABLE_BYTES 16u

struct export_origin {
	const struct image *image;
	const struct image_run *shared_runs; /* what the copies hold */
	uint32_t nr_shared_runs;
};

struct export_limits {
	uint32_t ranges_max;
	uint64_t pages_max; /* of all ranges, holes included */
};

/*
 * List the ranges: by address, not touching.  Past the limits the largest
 * ranges are kept, and who reads the others asks by message.
 *
 * On success *@ret_ranges is the caller's to free(); NULL when there is none.
 * Returns 0, -ENOMEM, or -E2BIG past IMAGE_RUNS_MAX.
 */
int export_plan(const struct export_origin *origin,
		const struct export_limits *limits,
		struct image_run **ret_ranges, uint32_t *ret_nr);
