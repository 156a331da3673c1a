/* SPDX-License-Identifier: MIT */
/*
 * foreseen.h - what became of pages that were fetched ahead
 *
 *     issued --+--> joined   demanded while on their way here: a hit
 *              +--> passed   the stream they were fetched for went on behind
 *              |             them: a hit, as far as can be told
 *              +--> seen     a child that has ended had it mapped: a hit
 *              +--> again    here, and demanded all the same: the kernel had
 *              |             dropped them, or did not take them.  Waste.
 *              +--> lost     did not arrive.  Waste.
 *              +--> dropped  gave way to others before anybody asked.  Waste.
 *              +--> (still foreseen: nobody wanted them yet)
 *
 * A page that is used out of the page cache makes no sound: "passed" is what a
 * stream of faults tells about the pages it skipped, and "seen" what children
 * that were looked at had in their page tables, with what the kernel had mapped
 * around a fault.
 *
 * Threads: none of its own; the caller locks.
 */
#pragma once

#include <stdint.h>

#include "common/image.h"
#include "rdmafetch/prefetch.h"

struct foreseen;

struct foreseen_stats {
	uint64_t joined_pages, passed_pages, seen_pages, again_pages;
	uint64_t lost_pages, dropped_pages;
};

/* Nothing foreseen of @image, which is borrowed.  0 or -ENOMEM. */
int foreseen_new(const struct image *image, struct foreseen **ret);

/* NULL is allowed. */
void foreseen_free(struct foreseen *foreseen);

/* The pages of @run were asked for ahead of demand. */
void foreseen_issued(struct foreseen *foreseen, struct prefetch_run run);

/* What happened to those of @run that are still foreseen. */
void foreseen_joined(struct foreseen *foreseen, struct prefetch_run run);
void foreseen_passed(struct foreseen *foreseen, struct prefetch_run run);
void foreseen_seen(struct foreseen *foreseen, struct prefetch_run run);
void foreseen_again(struct foreseen *foreseen, struct prefetch_run run);
void foreseen_lost(struct foreseen *foreseen, struct prefetch_run run);
void foreseen_dropped(struct foreseen *foreseen, struct prefetch_run run);

struct foreseen_stats foreseen_get_stats(const struct foreseen *foreseen);
