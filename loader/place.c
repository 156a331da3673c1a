/* SPDX-License-Identifier: MIT */
/*
 * place.c - two sorted lists of maps are walked as one
 */
#include "loader/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "common/io.h"

#define MAPS_BYTES_MAX (8u << 20)
#define PLACE_LOW      (UINT64_C(1) << 32)
#define PLACE_HIGH     (UINT64_C(0x7fff) << 32)
#define PLACE_ALIGN    (UINT64_C(2) << 20)

static uint32_t prot_of(const char text[5])
{
	return (text[0] == 'r' ? PROT_READ : 0u) |
	       (text[1] == 'w' ? PROT_WRITE : 0u) |
	       (text[2] == 'x' ? PROT_EXEC : 0u);
}

static int parse_line(const char *line, struct place_map *map)
{
	char prot[5];
	unsigned long start, end, offset, inode;

	map->name[0] = '\0';
	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu%*[ ]%31[^\n]", &start, &end,
		   prot, &offset, &map->dev_major, &map->dev_minor, &inode,
		   map->name) < 7)
		return -EPROTO;
	if (start >= end)
		return -EPROTO;
	map->start = start;
	map->end = end;
	map->offset_bytes = offset;
	map->inode = inode;
	map->prot = prot_of(prot);
	return 0;
}

static uint32_t count_lines(const char *text)
{
	uint32_t nr = 0;

	for (; (text = strchr(text, '\n')); text++)
		nr++;
	return nr;
}

int place_parse(const char *text, struct place_maps *ret_maps)
{
	uint32_t nr = count_lines(text);
	CLEANUP_FREE struct place_map *list = calloc(nr + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++) {
		int error = parse_line(text, &list[i]);

		if (error)
			return error;
		if (i && list[i].start < list[i - 1].end)
			return -EPROTO;
		text = strchr(text, '\n') + 1;
	}
	ret_maps->list = steal_ptr(&list);
	ret_maps->nr = nr;
	return 0;
}

int place_read_maps(struct place_maps *ret_maps)
{
	CLEANUP_FREE char *text = NULL;
	size_t len;
	int error = io_slurp_at(AT_FDCWD, "/proc/self/maps", MAPS_BYTES_MAX,
				&text, &len);

	return error ? error : place_parse(text, ret_maps);
}

/* The next map by start address out of both lists, or false at their end. */
static bool next_map(const struct place_maps *maps, const struct image *image,
		     uint32_t at[2], uint64_t *start, uint64_t *end)
{
	bool own = at[0] < maps->nr, theirs = at[1] < image->nr_vmas;

	if (!own && !theirs)
		return false;
	if (own &&
	    (!theirs || maps->list[at[0]].start <= image->vmas[at[1]].start)) {
		*start = maps->list[at[0]].start;
		*end = maps->list[at[0]++].end;
	} else {
		*start = image->vmas[at[1]].start;
		*end = image->vmas[at[1]++].end;
	}
	return true;
}

uint64_t place_find(const struct place_maps *maps, const struct image *image,
		    uint64_t bytes)
{
	uint64_t free_from = PLACE_LOW, best = 0, best_bytes = 0;
	uint64_t start, end;
	uint32_t at[2] = {0, 0};
	bool more = true;

	while (more) {
		more = next_map(maps, image, at, &start, &end);
		if (!more || start > PLACE_HIGH)
			start = PLACE_HIGH;
		if (start > free_from && start - free_from > best_bytes) {
			best = free_from;
			best_bytes = start - free_from;
		}
		if (more && end > free_from)
			free_from = end;
	}
	if (best_bytes / 3 < bytes)
		return 0;
	return (best + (best_bytes - bytes) / 2) & ~(PLACE_ALIGN - 1);
}
