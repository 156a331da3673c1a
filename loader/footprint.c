/* SPDX-License-Identifier: MIT */
/*
 * footprint.c - its maps, and of each the pages
 */
#include "loader/footprint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/page.h"
#include "common/pagescan.h"
#include "loader/place.h"

#define MAPS_BYTES_MAX (64u << 20)

/* One map that is looked at. */
struct look {
	struct footprint *footprint;
	const struct place_map *map;
	bool is_image, is_space;
};

static int read_maps(pid_t pid, struct place_maps *ret_maps)
{
	CLEANUP_FREE char *text = NULL;
	char path[32];
	size_t len;
	int error;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	error = io_slurp_at(AT_FDCWD, path, MAPS_BYTES_MAX, &text, &len);
	if (error)
		return error == -ENOENT ? -ESRCH : error;
	return place_parse(text, ret_maps);
}

/* The list may be full: then it is as long as it is. */
static int add_run(void *arg, uint64_t start, uint64_t end, uint64_t categories)
{
	const struct look *look = arg;
	struct footprint *footprint = look->footprint;
	uint64_t nr_pages = page_of(end - start);

	if (!look->is_image)
		footprint->own_pages += nr_pages;
	else if (categories & PAGESCAN_FILE)
		footprint->mapped_pages += nr_pages;
	else
		footprint->copied_pages += nr_pages;
	if (look->is_space)
		(void)workset_add(&footprint->image,
				  page_of(start - look->map->start +
					  look->map->offset_bytes),
				  (uint32_t)nr_pages);
	return 0;
}

static int look_at(int pagemap_fd, struct look *look)
{
	struct pagescan scan = {
		.start = look->map->start,
		.end = look->map->end,
		.inverted = PAGESCAN_ZERO,
		.wanted = PAGESCAN_ZERO,
		.any = PAGESCAN_PRESENT | PAGESCAN_SWAPPED,
		.returned = PAGESCAN_FILE,
	};

	return pagescan(pagemap_fd, &scan, add_run, look);
}

/* Maps of other files, and of the kernel ("[vdso]"), tell nothing here. */
static bool is_anonymous(const struct place_map *map)
{
	return !map->inode && !map->dev_major && !map->dev_minor &&
	       map->name[0] != '/' && map->name[1] != 'v';
}

int footprint_take(pid_t pid, const struct load *load, struct footprint *ret)
{
	struct place_maps maps = {NULL, 0};
	CLEANUP_CLOSE int pagemap_fd = pagescan_open(pid);
	struct look look = {.footprint = ret};
	bool has_image = false;
	int error = pagemap_fd < 0 ? pagemap_fd : read_maps(pid, &maps);

	for (uint32_t i = 0; !error && i < maps.nr; i++) {
		look.map = &maps.list[i];
		look.is_image = makedev(look.map->dev_major,
					look.map->dev_minor) == load->dev;
		look.is_space = look.is_image && load->facts.has_space &&
				look.map->inode == load->facts.space_inode;
		has_image |= look.is_image;
		if (look.is_image || is_anonymous(look.map))
			error = look_at(pagemap_fd, &look);
	}
	free(maps.list);
	return error || has_image ? error : -ESTALE;
}

void footprint_done(struct footprint *footprint)
{
	workset_done(&footprint->image);
}
