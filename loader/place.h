/* SPDX-License-Identifier: MIT */
/*
 * place.h - the maps of this process, and a hole that nobody uses
 *
 * The blob and its tables must lie where neither the loader nor the image has a
 * map, and far from where either may grow one (heap, stack, mmap area).
 */
#pragma once

#include <stdint.h>

#include "common/image.h"

/* One line of /proc/self/maps. */
struct place_map {
	uint64_t start, end, offset_bytes;
	uint32_t prot;
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	char name[32]; /* cut: long enough for "[vvar_vclock]" */
};

struct place_maps {
	struct place_map *list; /* by address */
	uint32_t nr;
};

/*
 * Parse the text of a maps file.  On success @ret_maps->list is the caller's to
 * free().  Returns 0, -EPROTO, or -ENOMEM.
 */
int place_parse(const char *text, struct place_maps *ret_maps);

/* This process's own maps.  0 or -errno. */
int place_read_maps(struct place_maps *ret_maps);

/*
 * The middle of the largest stretch that neither @maps nor @image uses, below
 * 128 TiB, if @bytes fit there with as much room again on each side.
 *
 * Returns its address (2 MiB aligned), or 0.
 */
uint64_t place_find(const struct place_maps *maps, const struct image *image,
		    uint64_t bytes);
