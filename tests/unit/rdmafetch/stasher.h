/* SPDX-License-Identifier: MIT */
/*
 * stasher.h - a stash of a test image, in a directory of its own
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdmafetch/stash.h"

#define SOLID	 0x1000u /* the first page of a run of 1000 */
#define SINGLES	 0x8000u /* then 200 single pages, a hole behind each */
#define NR_PAGES 1200u
#define BIG	 (64ull << 20)

extern const struct image stasher_image;
extern int stasher_dir_fd;

/* Fixtures of cmocka: the directory comes, is emptied, and goes. */
int stasher_set_up(void **state);
int stasher_empty(void **state);
int stasher_tear_down(void **state);

/* The image's, in the directory, with room for all. */
struct stash_options usual(void);
struct stash *open_with(const struct stash_options *options);
struct stash *open_usual(void);

struct stash_stats stats_of(struct stash *stash);

/* What the image has at @page, into @buf; and whether that is in it. */
void fill(uint64_t page, void *buf, uint64_t nr_pages);
bool is_right(uint64_t page, const void *buf, uint64_t nr_pages);

/* Put right pages in; all that there are. */
void put(struct stash *stash, uint64_t page, uint64_t nr_pages);
void put_all(struct stash *stash);

/* How many pages are here; all of them must be right. */
uint64_t nr_here(struct stash *stash, uint64_t page, uint64_t nr_pages);
uint64_t all_here(struct stash *stash);

/* The path of the usual stash's file, and what it takes of the disk. */
const char *file_path(void);
uint64_t blocks_of(const char *path);
