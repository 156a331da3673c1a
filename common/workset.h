/* SPDX-License-Identifier: MIT */
/*
 * workset.h - which pages a child looked at, in the order of its faults
 *
 * Recorded by the mount of an image's first child, kept beside the image at the
 * daemon, streamed to the next mount (prefetch=trace).  The words go over the
 * wire: RECORD appends a part, TRACE's reply is all of it.  docs/protocol.md
 * has the byte tables.
 *
 * One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

#define WORKSET_RUNS_MAX    65536u
#define WORKSET_RUN_BYTES   16u
#define WORKSET_HEAD	    8u
#define WORKSET_IMAGE_BYTES (64u + WIRE_KEY_BYTES) /* a RECORD begins so */
/* Runs of one RECORD. */
#define WORKSET_PART_MAX 200u

struct workset_run {
	uint64_t first_page;
	uint32_t nr_pages; /* not 0 */
};

/* Zeroed before first use; ends with workset_done(). */
struct workset {
	uint32_t nr, room;
	bool is_inherited; /* of a child of an earlier image: parent/lineage.h */
	struct workset_run *runs;
};

/*
 * Append @nr_pages from @first_page on, as one run with the last one where they
 * go on from it.  0, -ENOSPC past WORKSET_RUNS_MAX, or -ENOMEM.
 */
int workset_add(struct workset *set, uint64_t first_page, uint32_t nr_pages);

/* A copy: 0 or -ENOMEM. */
int workset_copy(const struct workset *from, struct workset *ret);

/* How many pages it has, those that come twice counted twice. */
uint64_t workset_pages(const struct workset *set);

/* Leave the first @nr_max runs, and no more memory than they take. */
void workset_cut(struct workset *set, uint32_t nr_max);

void workset_done(struct workset *set);

/* RECORD's body: a part of an image's working set. */
struct workset_part {
	struct wire_image image;
	uint32_t from; /* how many runs came before these */
	uint32_t nr;   /* 1 to WORKSET_PART_MAX */
	struct workset_run runs[WORKSET_PART_MAX];
};

/* Encode into @out, which has room for WIRE_REQUEST_MAX; the bytes used. */
size_t workset_put_part(uint8_t *out, const struct workset_part *part);

/* 0, or -EPROTO for what is no part. */
int workset_get_part(const uint8_t *in, size_t len, struct workset_part *ret);

/* What TRACE's reply takes; encode it into @out, which has that much room. */
size_t workset_bytes(const struct workset *set);
void workset_put(uint8_t *out, const struct workset *set);

/* Decode what a peer claims to be one: 0, -EPROTO or -ENOMEM. */
int workset_get(const uint8_t *in, size_t len, struct workset *ret);
