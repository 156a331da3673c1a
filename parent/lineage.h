/* SPDX-License-Identifier: MIT */
/*
 * lineage.h - working sets outlive their images, for the next of the same kind
 *
 *     image 1 --> its first child --> working set --+   (workset.h)
 *     image 2, of the same process or of one that   |
 *     was forked off it -----------------------------> brought ahead to its
 *                                                      first child
 *
 * What a child looks at is where its program, its libraries and its heap lie,
 * and that is the same in each image of a process, and in each process that
 * was forked from one without an exec.  So a program in one layout is a
 * lineage.  What is kept is a hint: pages that are not in the new image are
 * skipped, and what has moved is fetched when it is asked for.
 *
 * Of one owner only: where children of others look is none of his business.
 *
 * Bounded: LINEAGES_MAX sets of LINEAGE_RUNS_MAX runs; the longest unused goes.
 *
 * Above: registry.c.  Threads: one makes every call.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/image.h"
#include "common/workset.h"

#define LINEAGES_MAX	 32u
#define LINEAGE_RUNS_MAX 16384u

struct lineage {
	uint64_t id;
	uid_t owner;
};

/* What images of the same program in the same layout have in common.  Pure. */
uint64_t lineage_of(const struct image *image);

struct lineage_entry {
	struct lineage who;
	uint64_t used; /* 0: a free place */
	struct workset set;
};

/* Zeroed before first use; ends with lineages_done(). */
struct lineages {
	uint64_t nr_uses;
	struct lineage_entry entries[LINEAGES_MAX];
};

/*
 * Keep *@set, which is emptied, as that of @who, instead of an earlier one.  Of
 * one that is too long the beginning is kept; an empty one changes nothing.
 */
void lineages_keep(struct lineages *lineages, struct lineage who,
		   struct workset *set);

/* That of @who, good until the next lineages_keep(); NULL: none. */
const struct workset *lineages_find(struct lineages *lineages,
				    struct lineage who);

void lineages_done(struct lineages *lineages);
