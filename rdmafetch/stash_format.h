/* SPDX-License-Identifier: MIT */
/*
 * stash_format.h - the file that a stash keeps its pages in
 *
 *     0           head: whose pages these are
 *     4096        index: a sum for each page, by rank; 0: not here
 *     behind it   a bit for each chunk: used by the last mount; may be wrong
 *     64 KiB * n  data: each page at its rank, holes where none is here
 *
 * Nothing depends on the order in which the parts reach a disk: a page is here
 * if its sum, which is mixed with the image's id and the page's rank, is right.
 * docs/stash.md has the byte table.
 *
 * Pure.  Integers are little-endian.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/descid.h"

#define STASH_VERSION	  1u
#define STASH_HEAD_BYTES  96u
#define STASH_INDEX_AT	  4096u
#define STASH_ENTRY_BYTES 8u
#define STASH_ID_BYTES	  DESCID_BYTES
#define STASH_CHUNK_PAGES 16u	       /* what is thrown out together: 64 KiB */
#define STASH_PAGES_MAX	  (1ull << 35) /* 128 TiB: all of an address space */
#define STASH_NAME_BYTES  (2 * STASH_ID_BYTES + sizeof(".stash"))

struct stash_head {
	uint8_t id[STASH_ID_BYTES]; /* descid_of() the descriptor */
	uint64_t desc_bytes, nr_pages;
	uint64_t captured_ns;	/* when the image was taken */
	uint64_t granted_bytes; /* of the directory's bound, while in use */
	bool is_transient;	/* nobody can use it after this mount */
};

/* Whose pages: of the image that @desc describes. */
void stash_head_of(const void *desc, size_t desc_bytes, uint64_t nr_pages,
		   struct stash_head *ret_head);

void stash_head_put(uint8_t out[STASH_HEAD_BYTES],
		    const struct stash_head *head);

/*
 * Returns 0, or -EPROTO: no stash, another version, damaged, or more pages than
 * STASH_PAGES_MAX.
 */
int stash_head_get(const uint8_t *in, size_t len, struct stash_head *ret_head);

/* Whether both are of one image. */
bool stash_head_same(const struct stash_head *a, const struct stash_head *b);

/* The name of its file in a directory: the id in hex, and ".stash". */
void stash_name(const struct stash_head *head, char ret_name[STASH_NAME_BYTES]);

/* Whether a file of this name may be a stash's. */
bool stash_name_ok(const char *name);

/* Where things are, in bytes. */
uint64_t stash_entry_at(uint64_t rank);
uint64_t stash_used_at(uint64_t nr_pages);
uint64_t stash_used_bytes(uint64_t nr_pages);
uint64_t stash_data_at(uint64_t nr_pages, uint64_t rank);

/* What a stash of no pages yet takes of a disk, at most. */
uint64_t stash_empty_bytes(uint64_t nr_pages);

/* The sum of @page, of 4096 bytes, at @rank; never 0. */
uint64_t stash_sum(const struct stash_head *head, uint64_t rank,
		   const void *page);
