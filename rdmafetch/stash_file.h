/* SPDX-License-Identifier: MIT */
/*
 * stash_file.h - one stash's file: pages in, pages out, pages gone
 *
 * It takes care of where things are and in which order they are written, and
 * has no opinion on what is kept.  The index in memory is the caller's.
 *
 * Threads: any, as long as no chunk is dropped while its pages are read or
 * written, nor one page read while it is written; who writes a page at the same
 * time as another writes the same.  Every call blocks for its I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/stash_format.h"

struct stash_file {
	int fd;
	struct stash_head head;
	bool can_drop; /* the file system gives back what is punched out */
};

/* A nameless one in memory.  0 or -errno; ends with stash_file_close(). */
int stash_file_memory(struct stash_file *file);

/* Use @file->fd, of @file->head.  Gives it its length.  0 or -errno. */
int stash_file_begin(struct stash_file *file);

/*
 * Take the room of head and index, so that an entry that is written later finds
 * it.  0 or -errno.
 */
int stash_file_reserve(const struct stash_file *file);

/*
 * Read the index into @sums, a word for each page: what a file says, be it
 * true or not.  What cannot be read is 0.
 */
void stash_file_load(const struct stash_file *file, uint64_t *sums);

/*
 * Read, or write, a bit for each chunk, into or from stash_used_bytes(): which
 * were used.  Only advice; what cannot be read is 0.
 */
void stash_file_load_used(const struct stash_file *file, uint8_t *bits);
void stash_file_save_used(const struct stash_file *file, const uint8_t *bits);

/* Punch out all pages of which @sums has none. */
void stash_file_tidy(const struct stash_file *file, const uint64_t *sums);

/*
 * Read @nr_pages from @rank on into @buf and check them against @sums, which
 * are not 0; those of wrong pages become 0.  How many were wrong.
 */
unsigned stash_file_read(const struct stash_file *file, uint64_t rank,
			 unsigned nr_pages, uint64_t *sums, void *buf);

/*
 * Write @nr_pages from @rank on, data before index; @ret_sums gets their sums.
 * Returns 0, or -errno: then none is here, and nothing is taken of the disk.
 */
int stash_file_write(const struct stash_file *file, uint64_t rank,
		     unsigned nr_pages, const void *buf, uint64_t *ret_sums);

/* Forget the pages of @chunk, index before data. */
void stash_file_drop(const struct stash_file *file, uint64_t chunk);

/* What it takes of the disk now, in bytes. */
uint64_t stash_file_bytes(const struct stash_file *file);

void stash_file_close(struct stash_file *file);
